"""What ended flows leave behind is removed after its time: events, answers, working files.

Flows, blocks, evidence with its log, results of gates and the ledger's figures stay for good.
"""
