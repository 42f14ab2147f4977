"""Where value meets holdings: view, holdings, targets, the optimiser, plans and their execution."""
