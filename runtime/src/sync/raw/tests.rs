mod lock;
mod rwlock;
