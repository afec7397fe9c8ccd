//! The integration tests, as one program: scenarios of the real binary against a real Mosquitto, and the rules of
//! the source tree.
//!
//! Every scenario has folders, ports and processes of its own, so they all run at the same time.

mod chaos;
mod client_beside_daemon;
mod client_connect;
mod client_entities;
mod client_follow;
mod client_hostile;
mod client_subscribe;
mod examples;
mod hanging_source;
mod home_assistant;
mod layering;
mod mosquitto_address;
mod mosquitto_announce;
mod mosquitto_check;
mod mosquitto_cut;
mod mosquitto_declared;
mod mosquitto_exactly_once;
mod mosquitto_failover;
mod mosquitto_ghosts;
mod mosquitto_large;
mod mosquitto_ledger;
mod mosquitto_life;
mod mosquitto_login;
mod mosquitto_moves;
mod mosquitto_poison;
mod mosquitto_qos;
mod mosquitto_restart;
mod mosquitto_rivals;
mod mosquitto_subscribe;
mod mosquitto_tls;
mod mosquitto_tls_client;
mod readme;
mod scenario_announce;
mod scenario_availability;
mod scenario_cli;
mod scenario_connection;
mod scenario_delivery;
mod scenario_discovery;
mod scenario_every;
mod scenario_failover;
mod scenario_lifecycle;
mod scenario_takeover;
mod seeds;
mod support;
mod support_itself;
mod support_relay;
