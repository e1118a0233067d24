DROP TABLE group_faces;
DROP TABLE face_groups;
DROP TABLE liveness_sessions;
