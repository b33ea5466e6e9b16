CREATE TABLE IF NOT EXISTS articles (
    id         bigint AUTO_INCREMENT PRIMARY KEY,
    name       varchar(100)    NOT NULL UNIQUE,
    price      decimal(30, 10) NOT NULL,
    properties json            NOT NULL,
    retired    datetime(6)     NULL,
    stock      bigint          NOT NULL
);

CREATE TABLE IF NOT EXISTS orders (
    id      varchar(36) PRIMARY KEY, -- chosen by the application: an order that is placed twice is there once
    article bigint NOT NULL,
    amount  bigint NOT NULL,
    FOREIGN KEY (article) REFERENCES articles (id)
);
