"""A model for others: trained members and fitted ensembles as files that need none of this project's code."""
