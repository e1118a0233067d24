-- Since when nothing is issued to a holder: from a suspension until an admin reactivates or revokes. It is the person's and not the
-- certificate's, or whoever is suspended would end the certificate and enrol anew.
ALTER TABLE holders ADD COLUMN held_at BIGINT;
UPDATE holders SET held_at =
    (SELECT max(c.suspended_at) FROM certificates c WHERE c.holder_id = holders.id AND c.state = 'suspended');
