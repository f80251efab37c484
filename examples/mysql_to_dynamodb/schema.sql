CREATE DATABASE shop CHARACTER SET utf8mb4;

CREATE TABLE shop.customers (
    id INT PRIMARY KEY,
    name VARCHAR(100) NOT NULL,
    orders INT NOT NULL,
    revision INT NOT NULL
);

CREATE TABLE shop.orders (
    id INT PRIMARY KEY,
    customer INT NOT NULL REFERENCES shop.customers (id),
    revision INT NOT NULL
);

CREATE TABLE shop.order_lines (
    order_id INT NOT NULL REFERENCES shop.orders (id),
    number INT NOT NULL,
    sku VARCHAR(40) NOT NULL,
    count INT NOT NULL,
    price DECIMAL(10, 2) NOT NULL,
    PRIMARY KEY (order_id, number)
);
