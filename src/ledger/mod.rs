//! The ledger: what was announced, remembered over restarts, so that it can be removed when nobody wants it any more.
