"""Pages of onboarding for people: the form, a request, the lead's answer."""
