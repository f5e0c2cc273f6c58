"""How good is a trained model: numbers beside their floor, with the feature network and the count in their names."""
