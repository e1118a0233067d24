-- Uses of services other than redemption stand in `attempts` and `charges` too: the column `redemption_id` then holds the id of the
-- use, `use_…`. They have partitions of their own.

-- A liveness check: the challenge (its mode as in redemptions) that a relying party was given for a person, until it is judged.
CREATE TABLE liveness_sessions (
    rp_id TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    liveness TEXT,
    nonce BYTEA NOT NULL,
    deadline BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('challenged', 'passed', 'failed')),
    unusable_attempts BIGINT NOT NULL,
    opened_at BIGINT NOT NULL,
    PRIMARY KEY (rp_id, id)
);
CREATE INDEX liveness_sessions_opened_at ON liveness_sessions (opened_at);

-- Faces that a relying party searches in. Every change of a group is a revision of it, so that what is kept of a group in memory
-- can be brought up to date by the rows that are younger.
CREATE TABLE face_groups (
    rp_id TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    name TEXT NOT NULL,
    model TEXT NOT NULL,
    revision BIGINT NOT NULL,
    faces BIGINT NOT NULL CHECK (faces >= 0),
    created_at BIGINT NOT NULL,
    PRIMARY KEY (rp_id, id)
);

-- `number` is the face's key in the index. A removed face keeps its row without its template, until every replica has seen it.
CREATE TABLE group_faces (
    rp_id TEXT COLLATE "C" NOT NULL,
    group_id TEXT COLLATE "C" NOT NULL,
    number BIGINT NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    label TEXT NOT NULL,
    sealed_template BYTEA,
    revision BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (rp_id, group_id, number)
);
CREATE UNIQUE INDEX group_faces_id ON group_faces (rp_id, group_id, id);
CREATE INDEX group_faces_revision ON group_faces (rp_id, group_id, revision);
CREATE INDEX group_faces_removed ON group_faces (changed_at) WHERE sealed_template IS NULL;
