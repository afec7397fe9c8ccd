//! How long an entity lives that a program has registered.

use super::*;
use crate::mock::Refusal;

#[test]
fn what_is_registered_is_noted_and_announced_and_the_same_again_costs_nothing() {
    let machine = Machine::new();
    let mut daemon = machine.start();
    let attic = sensor("attic", "Attic");
    daemon.register(1, &attic).unwrap();
    assert!(daemon.is_known("attic"));
    daemon.wait_told();
    assert!(daemon.config_of("attic").contains("Attic"));
    assert_eq!(daemon.availability("attic"), "online");
    machine.published();
    for client in [1, 2] {
        let (now, ticket) = (daemon.now, Ticket(0));
        let progress = daemon.registrar().register(&peer(client), fields(&attic), false, ticket, now);
        assert_eq!(progress, Ok(Progress::Done));
    }
    daemon.wait_told();
    assert_eq!(machine.published(), []);
}

#[test]
fn an_entity_is_unavailable_without_its_program_and_goes_after_a_minute() {
    let machine = Machine::new();
    let mut daemon = machine.start();
    let attic = sensor("attic", "Attic");
    daemon.register(1, &attic).unwrap();
    daemon.leave(1);
    wait_until("offline", || daemon.availability("attic") == "offline");
    daemon.pass(59);
    assert_eq!(daemon.register(2, &attic), Ok(()));
    wait_until("online", || daemon.availability("attic") == "online");
    daemon.pass(3600);
    daemon.leave(2);
    daemon.pass(59);
    daemon.wait_told();
    let emptied = (config_topic("attic"), String::new());
    assert!(!machine.published().contains(&emptied));
    daemon.pass(1);
    daemon.wait_removed("attic");
    assert!(machine.published().contains(&emptied));
    // It is as if it had never been.
    check_refused(daemon.unregister(2, "attic"), Code::UnknownEntity, "no program has registered \"attic\"");
    daemon.register(2, &sensor("attic", "Loft")).unwrap();
    wait_until("the new one", || daemon.config_of("attic").contains("Loft"));
}

#[test]
fn an_entity_of_several_programs_lives_until_the_last_has_left() {
    let machine = Machine::new();
    let mut daemon = machine.start();
    let attic = sensor("attic", "Attic");
    for client in [1, 2, 3] {
        daemon.register(client, &attic).unwrap();
    }
    daemon.leave(1);
    daemon.unregister(2, "attic").unwrap();
    assert_eq!(daemon.registrar().due(), None);
    daemon.wait_told();
    assert_eq!(daemon.availability("attic"), "online");
    daemon.leave(3);
    daemon.pass(60);
    daemon.wait_removed("attic");
}

#[test]
fn another_description_takes_the_place_of_the_first_unless_another_program_holds_that() {
    let machine = Machine::new();
    let mut daemon = machine.start();
    let taken = "\"attic\" is that of another program, which is connected";
    daemon.register(1, &sensor("attic", "First")).unwrap();
    check_refused(
        daemon.register(2, &sensor("attic", "Second")),
        Code::Taken,
        &format!("{taken}: expected the same description, or another id"),
    );
    check_refused(daemon.unregister(2, "attic"), Code::Taken, taken);
    daemon.register(1, &sensor("attic", "Third")).unwrap();
    wait_until("the third", || daemon.config_of("attic").contains("Third"));
    daemon.leave(1);
    daemon.register(2, &sensor("attic", "Fourth")).unwrap();
    wait_until("the fourth", || daemon.config_of("attic").contains("Fourth"));
    wait_until("online", || daemon.availability("attic") == "online");
    // On another platform it is another entity, and the first is no more.
    daemon.register(2, &json!({"platform": "switch", "id": "attic", "name": "Fifth"})).unwrap();
    wait_until("the fourth to go", || daemon.config_of("attic").is_empty());
    wait_until("it to be forgotten", || {
        let text = std::fs::read_to_string(machine.card.path().join("ledger.json")).unwrap();
        !text.contains("homeassistant/sensor/") && text.contains("homeassistant/switch/")
    });
}

#[test]
fn what_a_program_takes_back_goes_at_once() {
    let machine = Machine::new();
    let mut daemon = machine.start();
    daemon.register(1, &sensor("attic", "Attic")).unwrap();
    daemon.unregister(1, "attic").unwrap();
    daemon.wait_removed("attic");
    daemon.register(1, &sensor("attic", "Attic")).unwrap();
    wait_until("it again", || !daemon.config_of("attic").is_empty());
    assert_eq!(daemon.registrar().due(), None);
}

#[test]
fn what_is_pipelined_is_done_in_order() {
    let machine = Machine::new();
    let mut daemon = machine.start();
    let (now, id) = (daemon.now, ObjectId::new("attic").unwrap());
    let mut tickets = (100..).map(Ticket);
    let begun = |progress: Result<Progress, Failure>| assert_eq!(progress, Ok(Progress::Begun));
    for name in ["First", "Second"] {
        let ticket = tickets.next().unwrap();
        begun(daemon.registrar().register(&peer(1), fields(&sensor("attic", name)), true, ticket, now));
    }
    begun(daemon.registrar().unregister(&peer(1), &id, tickets.next().unwrap(), now));
    assert!(daemon.registrar().is_pending(&id));
    let third = sensor("attic", "Third");
    begun(daemon.registrar().register(&peer(1), fields(&third), false, tickets.next().unwrap(), now));
    // The same while the first is under way.
    let last = daemon.ask(|it, ticket, now| it.register(&peer(2), fields(&third), false, ticket, now));
    assert_eq!(last, Ok(()));
    assert!(!daemon.registrar().is_pending(&id));
    wait_until("the third", || daemon.config_of("attic").contains("Third"));
    for client in [1, 2] {
        daemon.leave(client);
    }
    daemon.pass(60);
    daemon.wait_removed("attic");
}

#[test]
fn what_is_registered_for_good_stays_until_it_is_unregistered() {
    let machine = Machine::new();
    let mut daemon = machine.start();
    daemon.register_for_good(1, &sensor("attic", "Attic")).unwrap();
    daemon.leave(1);
    assert_eq!(daemon.registrar().due(), None);
    // Another description does not make it less.
    daemon.register(2, &sensor("attic", "Loft")).unwrap();
    daemon.leave(2);
    daemon.register(3, &sensor("cellar", "Cellar")).unwrap();
    daemon.wait_told();
    drop(daemon);
    machine.published();

    let mut daemon = machine.start();
    daemon.wait_told();
    assert!(daemon.config_of("attic").contains("Loft"));
    assert_eq!(daemon.availability("attic"), "online");
    daemon.pass(60);
    daemon.wait_removed("cellar");
    assert!(!machine.published().contains(&(config_topic("attic"), String::new())));
    daemon.unregister(4, "attic").unwrap();
    daemon.wait_removed("attic");
    drop(daemon);

    let mut daemon = machine.start();
    assert_eq!(daemon.registrar().due(), None);
    daemon.wait_told();
    assert_eq!(daemon.config_of("attic"), "");
}

#[test]
fn what_cannot_be_kept_for_good_is_refused_and_leaves_nothing() {
    let machine = Machine::new();
    let mut daemon = machine.start();
    // A folder cannot be replaced by a file, nor read as one.
    std::fs::create_dir(machine.card.path().join("registered.json")).unwrap();
    let failure = daemon.register_for_good(1, &sensor("attic", "Attic")).unwrap_err();
    assert_eq!(failure.code, Code::Internal);
    assert!(failure.reason.starts_with("what is registered for good cannot be written: "), "{failure}");
    daemon.register(1, &sensor("attic", "Attic")).unwrap();
    let failure = daemon.register_for_good(1, &sensor("attic", "Attic")).unwrap_err();
    assert_eq!(failure.code, Code::Internal);
    // As it was: its program's, and no longer.
    daemon.leave(1);
    daemon.pass(60);
    daemon.wait_removed("attic");
}

#[test]
fn after_a_crash_programs_have_a_minute_to_come_back_and_are_unavailable_until_then() {
    let machine = Machine::new();
    let mut daemon = machine.start();
    for id in ["attic", "cellar"] {
        daemon.register(1, &sensor(id, "Name")).unwrap();
    }
    daemon.wait_told();
    let device = daemon.presence.topics.availability().clone();
    drop(daemon);
    // Its will.
    machine.broker.publish(&device, "offline", true);
    machine.published();

    let mut daemon = machine.start();
    wait_until("online", || machine.retained(&device) == "online");
    assert_eq!(["attic", "cellar"].map(|it| daemon.availability(it)), ["offline", "offline"]);
    let published = machine.published();
    let place = |topic: &Topic| published.iter().rposition(|(it, _)| it == topic.as_str());
    let attic = daemon.presence.topics.entity_availability(&ObjectId::new("attic").unwrap());
    assert!(place(&attic) < place(&device), "{published:?}");
    daemon.pass(59);
    daemon.register(1, &sensor("attic", "Name")).unwrap();
    wait_until("it to be back", || daemon.availability("attic") == "online");
    assert!(!daemon.config_of("cellar").is_empty());
    daemon.pass(1);
    daemon.wait_removed("cellar");
    daemon.wait_told();
    assert!(!machine.published().contains(&(config_topic("attic"), String::new())));
    assert!(daemon.is_known("attic"));
}

#[test]
fn the_minute_to_come_back_is_not_over_while_the_broker_is_away() {
    let machine = Machine::new();
    let mut daemon = machine.start();
    for id in ["attic", "cellar"] {
        daemon.register(1, &sensor(id, "Name")).unwrap();
    }
    daemon.wait_told();
    drop(daemon);

    // Power is back, and the broker takes longer to start than we do.
    machine.broker.set_faults(Faults { refuse: Some(Refusal::Unavailable), ..Faults::default() });
    let mut daemon = machine.start_with("[Client]\nRECONNECT_DELAY=1\nRECONNECT_DELAY_MAX=1\n");
    daemon.pass(60);
    daemon.pass(60);
    daemon.register(1, &sensor("attic", "Name")).unwrap();
    machine.published();
    machine.broker.set_faults(Faults::default());
    daemon.wait_told();
    assert!(!machine.published().contains(&(config_topic("attic"), String::new())));
    daemon.pass(60);
    daemon.wait_removed("cellar");
    assert!(!daemon.config_of("attic").is_empty());
}
