"""The OCPI tariff model, its engine and the price trace; pure. Entered through ``service`` and ``model``."""
