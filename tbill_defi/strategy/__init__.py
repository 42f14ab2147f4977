"""The plugin contract, discovery of plugins, and plans made from them."""
