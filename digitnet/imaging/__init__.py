"""From any picture to ink. No network."""
