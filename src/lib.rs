//! loginetl: login events from SQS into Postgres, masked so that duplicates still match.
pub mod aws;
pub mod cli;
pub mod commands;
pub mod crypto;
pub mod db;
pub mod error;
pub mod kms;
pub mod logging;
pub mod login;
pub mod output;
pub mod queue;
pub mod settings;
pub mod token;
pub mod vault;
