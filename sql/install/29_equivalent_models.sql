-- What stands in for a model at another provider, when a pick goes on along the chain.
CREATE TABLE keypool.equivalent_models (
  model      text COLLATE "C" NOT NULL CHECK (octet_length(model) BETWEEN 1 AND 255),
  provider   text COLLATE "C" NOT NULL REFERENCES keypool.providers (name)
             ON UPDATE CASCADE ON DELETE CASCADE,
  equivalent text COLLATE "C" NOT NULL CHECK (octet_length(equivalent) BETWEEN 1 AND 255),
  PRIMARY KEY (model, provider)
);

SELECT pg_catalog.pg_extension_config_dump('keypool.equivalent_models', '');
