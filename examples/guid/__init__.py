"""A key of two attributes becomes a guid, while applications go on with AttributeUpdates and Expected."""
