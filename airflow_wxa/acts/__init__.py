"""Acts, each declared once; operators, hook methods and fleet stages are its doors."""
