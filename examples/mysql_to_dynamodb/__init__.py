"""Customers and orders of a small shop move from MySQL to DynamoDB, through Kafka, while its web service runs."""
