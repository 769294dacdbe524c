"""SAMs this office made: bound to one device of one operator, lost when reported."""
