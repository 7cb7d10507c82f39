"""How a team lead is asked for a yes, and answers: buttons in Slack, or a link by mail."""
