"""What people are alerted to: the alert, its text, its Slack blocks, the incident it belongs to, and its delivery."""
