"""The wire: messages of OCPI 2.1.1, 2.2.1 and 2.3.0 in and out, and what stands behind each module."""
