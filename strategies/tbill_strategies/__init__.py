"""Strategies shipped with tbill_defi: plugins like anyone's."""
