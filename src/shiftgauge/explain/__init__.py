"""What happens inside a network: local sensitivity of its blocks, attributions, activation maximisation."""
