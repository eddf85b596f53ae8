"""AffectNet in the forms in which its authors distributed it."""
