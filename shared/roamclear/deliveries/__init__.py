"""What left the house and what came back of it: mails by their message id, bounces, tickets, one log per object."""
