//! Whose an id is, how much there may be, and who hears commands.

use super::*;

#[test]
fn an_id_of_a_section_or_a_descriptor_is_told_to_be_theirs() {
    let machine = Machine::new();
    let mut daemon =
        machine.start_with("[Sensor attic]\nPATH=/x\n[Sensor tank]\nTEMPLATE=ds18b20\nDEVICE=all\n");
    let owned = sensor("hall", "Hall");
    let entity = protocol::entity(fields(&owned), &daemon.announcer.device()).unwrap();
    daemon.announcer.announce("descriptor hall.json", &entity);
    for (id, owner) in
        [("attic", "Sensor attic"), ("tank_00000a1b2c3d", "Sensor tank"), ("hall", "descriptor hall.json")]
    {
        let text = format!("\"{id}\" is that of [{owner}]");
        check_refused(daemon.register(1, &sensor(id, "Mine")), Code::Taken, &text);
        check_refused(daemon.unregister(1, id), Code::Taken, &text);
    }
}

#[test]
fn a_section_takes_the_id_of_a_program_and_gives_it_back_when_it_goes() {
    let machine = Machine::new();
    let mut daemon = machine.start();
    daemon.register_for_good(1, &sensor("attic", "Program")).unwrap();
    drop(daemon);
    let section = "[Sensor attic]\nNAME=Section\nPATH=/x\n";
    let mut daemon = machine.start_with(section);
    daemon.wait_told();
    assert!(daemon.config_of("attic").contains("Section"));
    check_refused(
        daemon.register(1, &sensor("attic", "Program")),
        Code::Taken,
        "\"attic\" is that of [Sensor attic]",
    );
    // A reload without the section, and one with it.
    let attic = ObjectId::new("attic").unwrap();
    daemon.announcer.configured(Arc::new(machine.config("")));
    daemon.announcer.withdraw("Sensor attic", &attic);
    daemon.registrar().configured();
    wait_until("the program's", || daemon.config_of("attic").contains("Program"));
    daemon.register(2, &sensor("attic", "Program")).unwrap();
    let config = machine.config(section);
    daemon.announcer.announce("Sensor attic", &config.declared[0].entity);
    daemon.announcer.configured(Arc::new(config));
    daemon.registrar().configured();
    check_refused(daemon.unregister(2, "attic"), Code::Taken, "\"attic\" is that of [Sensor attic]");
    daemon.leave(2);
    assert_eq!(daemon.registrar().due(), None);
    daemon.wait_told();
    assert!(daemon.config_of("attic").contains("Section"));
}

#[test]
fn what_a_section_takes_from_an_absent_program_is_available_and_stays_so() {
    let machine = Machine::new();
    let mut daemon = machine.start();
    for (client, id) in [(1, "attic"), (2, "cellar")] {
        daemon.register(client, &sensor(id, "Program")).unwrap();
    }
    daemon.leave(1);
    wait_until("offline", || daemon.availability("attic") == "offline");
    let config = machine.config("[Sensor attic]\nSOURCE=socket\n[Sensor cellar]\nSOURCE=socket\n");
    for declared in &config.declared {
        daemon.announcer.announce(&declared.section, &declared.entity);
    }
    daemon.announcer.configured(Arc::new(config));
    // It leaves before the registrar knows of the sections.
    daemon.leave(2);
    daemon.registrar().configured();
    daemon.pass(60);
    for id in ["attic", "cellar"] {
        wait_until("online", || daemon.availability(id) == "online");
    }
    daemon.wait_told();
    assert_eq!(daemon.availability("cellar"), "online");
    assert_eq!(daemon.registrar().due(), None);
    assert_eq!(["attic", "cellar"].map(|it| daemon.is_known(it)), [true, true]);
}

#[test]
fn there_are_so_many_entities_of_one_program_and_so_many_in_all() {
    let machine = Machine::new();
    let mut daemon = machine.start();
    let now = daemon.now;
    let mut begin = |client: u64, count: usize| {
        let id = format!("c{client}_{count}");
        daemon.registrar().register(&peer(client), fields(&sensor(&id, "Name")), false, Ticket(0), now)
    };
    for client in 0..8 {
        for count in 0..64 {
            assert_eq!(begin(client, count), Ok(Progress::Begun));
        }
    }
    let refused = begin(8, 0).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "there is no room for another entity of all programs: expected at most 512"
    );
    let refused = begin(7, 64).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "there is no room for another entity of one program: expected at most 64"
    );
    assert_eq!(refused.code, Code::TooMany);
}

#[test]
fn a_program_that_registers_and_unregisters_without_end_is_told_to_wait() {
    let machine = Machine::new();
    let mut daemon = machine.start();
    let attic = sensor("attic", "Attic");
    for _ in 0..256 {
        daemon.register(1, &attic).unwrap();
        daemon.unregister(1, "attic").unwrap();
    }
    let text = "the user 1000 has entities registered and removed too often: expected another attempt in 5 s";
    check_refused(daemon.register(1, &attic), Code::TooMany, text);
    daemon.pass(5);
    daemon.register(1, &attic).unwrap();
    // What costs nothing may come without end.
    for _ in 0..1000 {
        daemon.leave(1);
        daemon.register(1, &attic).unwrap();
    }
}

#[test]
fn a_description_has_a_largest_size() {
    let machine = Machine::new();
    let mut daemon = machine.start();
    let options: Vec<String> = (0..200).map(|it| format!("option {it:050}")).collect();
    let large = json!({"platform": "select", "id": "mode", "name": "Mode", "options": options});
    let failure = daemon.register(1, &large).unwrap_err();
    assert_eq!((failure.code, failure.expected.as_deref()), (Code::Invalid, Some("at most 8192")));
}

#[test]
fn commands_come_to_those_who_have_registered_the_entity() {
    let machine = Machine::new();
    let mut daemon = machine.start();
    let described = [
        json!({"platform": "switch", "id": "pump", "name": "Name"}),
        json!({"platform": "button", "id": "bell", "name": "Name"}),
        json!({"platform": "number", "id": "level", "name": "Name", "min": 0, "max": 10}),
        json!({"platform": "text", "id": "note", "name": "Name"}),
        json!({"platform": "select", "id": "mode", "name": "Name", "options": ["eco", "full"]}),
        json!({"platform": "light", "id": "lamp", "name": "Name", "color_modes": ["brightness"]}),
    ];
    for (client, description) in (1..).zip(&described) {
        daemon.register(client, description).unwrap();
    }
    daemon.register(9, &described[0]).unwrap();
    let topic = |id: &str| daemon.presence.topics.command(&ObjectId::new(id).unwrap());
    let topics = ["pump", "bell", "level", "note", "mode", "lamp"].map(topic);
    for topic in &topics {
        wait_until("it to be heard", || {
            machine.broker.subscriptions().iter().any(|it| it.filter.as_str() == topic.as_str())
        });
    }
    let [pump, bell, level, note, mode, lamp] = topics;
    let next = |daemon: &mut Running<'_>| {
        loop {
            let commands = daemon.registrar().commands();
            if !commands.is_empty() {
                return commands;
            }
            daemon.rung.recv_timeout(LIMIT).unwrap();
        }
    };
    for (topic, payload, entity, value, clients) in [
        (&pump, "ON", "pump", json!(true), &[1, 9][..]),
        (&pump, "OFF", "pump", json!(false), &[1, 9]),
        (&bell, "PRESS", "bell", json!(true), &[2]),
        (&level, "7.5", "level", json!(7.5), &[3]),
        (&note, "", "note", json!(""), &[4]),
        (&mode, "full", "mode", json!("full"), &[5]),
        (&lamp, r#"{"state":"ON","brightness":12}"#, "lamp", json!({"state": "ON", "brightness": 12}), &[6]),
    ] {
        // What is none, or an old one, or taken away, is not passed on.
        machine.broker.publish(&pump, "perhaps", false);
        machine.broker.publish(&pump, "", false);
        machine.broker.publish(topic, payload, false);
        let clients = clients.iter().copied().map(ClientId).collect();
        let expected = Commanded { entity: ObjectId::new(entity).unwrap(), value, clients };
        assert_eq!(next(&mut daemon), [expected]);
    }
    // Another description has other commands, and nobody hears the old one's any more.
    daemon
        .register(5, &json!({"platform": "select", "id": "mode", "name": "Name", "options": ["off"]}))
        .unwrap();
    let start = Instant::now();
    let mut commands = Vec::new();
    while commands.is_empty() && start.elapsed() < LIMIT {
        machine.broker.publish(&mode, "full", false);
        machine.broker.publish(&mode, "off", false);
        thread::sleep(Duration::from_millis(2));
        commands = daemon.registrar().commands();
    }
    assert!(!commands.is_empty() && commands.iter().all(|it| it.value == json!("off")), "{commands:?}");
}

#[test]
fn a_command_that_the_broker_keeps_is_none() {
    let machine = Machine::new();
    let mut daemon = machine.start();
    let pump = daemon.presence.topics.command(&ObjectId::new("pump").unwrap());
    machine.broker.publish(&pump, "ON", true);
    daemon.register(1, &json!({"platform": "switch", "id": "pump", "name": "Pump"})).unwrap();
    wait_until("it to be heard", || {
        machine.broker.subscriptions().iter().any(|it| it.filter.as_str() == pump.as_str())
    });
    machine.broker.publish(&pump, "OFF", false);
    let mut commands = daemon.registrar().commands();
    while commands.is_empty() {
        daemon.rung.recv_timeout(LIMIT).unwrap();
        commands = daemon.registrar().commands();
    }
    assert_eq!(commands[0].value, json!(false));
}
