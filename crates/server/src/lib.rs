//! Routes of every API (one list), authentication and wiring. Decides nothing that `app` could decide.
