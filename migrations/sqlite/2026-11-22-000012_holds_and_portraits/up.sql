-- Since when nothing is issued to a holder: from a suspension until an admin reactivates or revokes. It is the person's and not the
-- certificate's, or whoever is suspended would end the certificate and enrol anew.
ALTER TABLE holders ADD COLUMN held_at INTEGER;
UPDATE holders SET held_at =
    (SELECT max(c.suspended_at) FROM certificates c WHERE c.holder_id = holders.id AND c.state = 'suspended');

-- The picture on the document, sealed, last in its row and apart from the other attributes: it is ten times as large as they are, and
-- most redemptions do not ask for it. Erased with the template.
ALTER TABLE certificates ADD COLUMN sealed_portrait BLOB;
