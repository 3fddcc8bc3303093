mod explore;
mod lock;
mod lock_model;
mod rwlock;
mod rwlock_model;
