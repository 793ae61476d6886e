"""Issued documents as files and mails: PDF with XML, session list, delivery (product.md rows 57-64)."""
