-- Uses of services other than redemption stand in `attempts` and `charges` too: the column `redemption_id` then holds the id of the
-- use, `use_…`.

-- A liveness check: the challenge (its mode as in redemptions) that a relying party was given for a person, until it is judged.
CREATE TABLE liveness_sessions (
    rp_id TEXT NOT NULL,
    id TEXT NOT NULL,
    liveness TEXT,
    nonce BLOB NOT NULL,
    deadline INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('challenged', 'passed', 'failed')),
    unusable_attempts INTEGER NOT NULL,
    opened_at INTEGER NOT NULL,
    PRIMARY KEY (rp_id, id)
) STRICT;
CREATE INDEX liveness_sessions_opened_at ON liveness_sessions (opened_at);

-- Faces that a relying party searches in. Every change of a group is a revision of it, so that what is kept of a group in memory
-- can be brought up to date by the rows that are younger.
CREATE TABLE face_groups (
    rp_id TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    model TEXT NOT NULL,
    revision INTEGER NOT NULL,
    faces INTEGER NOT NULL CHECK (faces >= 0),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (rp_id, id)
) STRICT;

-- `number` is the face's key in the index. A removed face keeps its row without its template, until every replica has seen it.
CREATE TABLE group_faces (
    rp_id TEXT NOT NULL,
    group_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    id TEXT NOT NULL,
    label TEXT NOT NULL,
    sealed_template BLOB,
    revision INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (rp_id, group_id, number)
) STRICT;
CREATE UNIQUE INDEX group_faces_id ON group_faces (rp_id, group_id, id);
CREATE INDEX group_faces_revision ON group_faces (rp_id, group_id, revision);
CREATE INDEX group_faces_removed ON group_faces (changed_at) WHERE sealed_template IS NULL;
