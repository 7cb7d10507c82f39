"""The code hosts that onboarding reads and writes: a module for each, the one door to its client."""
