DROP TABLE event_cursors;
DROP TABLE deliveries;
DROP TABLE endpoints;
