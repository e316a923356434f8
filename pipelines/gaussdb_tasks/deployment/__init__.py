"""Running every night by itself: what a scheduler needs, written from templates."""
