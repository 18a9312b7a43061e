//! How far jobs are kept apart: what is accepted of what is asked, and which nodes will do.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(clippy::wildcard_enum_match_arm, reason = "tests pick one fact out of many")]

mod world;

use repower_core::input::Input;
use repower_core::plan::why;
use repower_core::policy::{DEFAULT, Policy, Tier, diff};
use repower_core::refusal::Refusal;
use repower_model::{
    Bytes, Cpus, Egress, Instance, Inventory, Isolation, JobSpec, NodeId, Resources,
};
use world::{World, cpus, job};

const POLICY: &str = r#"
policy-version = "boxes"
[class.sci-simulation]
tier = "permitted"
root = true
[class.guests]
tier = "permitted"
[class.strangers]
tier = "permitted"
isolation = "boxed"
egress = "none"
[class.quiet]
tier = "permitted"
root = true
egress = "none"
[class.secret]
tier = "permitted"
isolation = "sealed"
[class.fetching]
tier = "permitted"
egress = ["b.example:80", "a.example:443", "b.example:80"]
[class.sealed-fetching]
tier = "permitted"
isolation = "sealed"
egress = ["a.example:443"]
"#;

fn only(places: &[&str]) -> Egress {
    Egress::Only(places.iter().map(|one| (*one).into()).collect())
}

fn world() -> World {
    let mut world = World::with_nodes(&[4, 4]);
    world.turn(&able(NodeId(2), &["isolation.boxed", "limit.pids", "namespace.network"])).unwrap();
    world.turn(&Input::Adopt { text: POLICY.into(), by: "op".into(), replaces: None }).unwrap();
    world
}

fn milli(milli: u64) -> Resources {
    Resources { cpus: Cpus::from_milli(milli), ..Resources::default() }
}

fn able(node: NodeId, abilities: &[&str]) -> Input {
    let abilities = abilities.iter().map(|name| (*name).to_owned()).collect();
    let capacity = Resources { memory: Bytes::from_gib(1), ..cpus(4) };
    let inventory = Box::new(Inventory { capacity, abilities, ..Inventory::default() });
    Input::Hello {
        node,
        instance: Instance([9; 16]),
        inventory,
        held: Vec::new(),
        saved: Vec::new(),
    }
}

fn of(class: &str, isolation: Isolation, egress: Option<Egress>) -> JobSpec {
    JobSpec { class: class.into(), isolation, egress, ..job() }
}

#[test]
fn what_is_accepted_has_the_most_of_what_the_job_and_its_class_ask_for() {
    let mut world = world();
    let cases = [
        ("sci-simulation", Isolation::Bare, None, Isolation::Bare, Egress::Open),
        ("sci-simulation", Isolation::Boxed, None, Isolation::Boxed, Egress::Open),
        ("sci-simulation", Isolation::Sealed, None, Isolation::Sealed, Egress::None),
        ("strangers", Isolation::Bare, None, Isolation::Boxed, Egress::None),
        ("strangers", Isolation::Sealed, Some(Egress::None), Isolation::Sealed, Egress::None),
        ("secret", Isolation::Bare, None, Isolation::Sealed, Egress::None),
    ];
    let both = only(&["a.example:443", "b.example:80"]);
    let one = only(&["a.example:443"]);
    let listed = [
        ("sci-simulation", Isolation::Bare, Some(one.clone()), Isolation::Boxed, one.clone()),
        ("sci-simulation", Isolation::Sealed, Some(one.clone()), Isolation::Sealed, one.clone()),
        ("fetching", Isolation::Bare, None, Isolation::Boxed, both.clone()),
        ("fetching", Isolation::Bare, Some(one.clone()), Isolation::Boxed, one.clone()),
        ("fetching", Isolation::Bare, Some(Egress::None), Isolation::Boxed, Egress::None),
        ("sci-simulation", Isolation::Bare, Some(Egress::None), Isolation::Boxed, Egress::None),
        ("quiet", Isolation::Bare, None, Isolation::Boxed, Egress::None),
        ("fetching", Isolation::Sealed, None, Isolation::Sealed, both),
        ("sealed-fetching", Isolation::Bare, None, Isolation::Sealed, one),
    ];
    for (class, asked, egress, isolation, given) in cases.into_iter().chain(listed) {
        let id = world.submit(of(class, asked, egress));

        let spec = &world.engine.state().job(id).unwrap().spec;
        assert_eq!((spec.isolation, spec.egress.as_ref()), (isolation, Some(&given)), "{class}");
    }
}

#[test]
fn an_open_network_in_a_sealed_box_is_refused_and_so_are_places_that_are_none() {
    let mut world = world();
    let only = |places: &[&str]| Some(only(places));
    let wrong = [
        of("secret", Isolation::Bare, Some(Egress::Open)),
        of("strangers", Isolation::Bare, Some(Egress::Open)),
        of("sci-simulation", Isolation::Sealed, Some(Egress::Open)),
        of("sci-simulation", Isolation::Bare, only(&["example.org"])),
        of("sci-simulation", Isolation::Bare, only(&["example.org:0"])),
        of("sci-simulation", Isolation::Bare, only(&["a b.org:80"])),
        of("sci-simulation", Isolation::Bare, only(&[])),
        of("strangers", Isolation::Bare, only(&["a.example:443"])),
        of("fetching", Isolation::Bare, only(&["a.example:443", "c.example:443"])),
        of("fetching", Isolation::Bare, only(&["a.example:444"])),
        of("fetching", Isolation::Bare, Some(Egress::Open)),
        of("sealed-fetching", Isolation::Bare, Some(Egress::Open)),
        JobSpec { pids: Some(0), ..job() },
        JobSpec { io_weight: Some(0), ..job() },
        JobSpec { io_weight: Some(1001), ..job() },
        JobSpec { pin_cpus: true, resources: milli(1500), ..job() },
        JobSpec { pin_cpus: true, resources: milli(0), ..job() },
        JobSpec { pin_cpus: true, resources: cpus(2), alternatives: vec![cpus(1)], ..job() },
    ];
    for spec in wrong {
        let refused = world.try_submit(spec);

        assert!(
            matches!(refused, Err(Refusal::BadText { .. } | Refusal::OutOfBounds { .. })),
            "{refused:?}"
        );
    }
}

#[test]
fn who_asks_for_more_than_its_class_may_reach_is_told_what_that_is() {
    let mut world = world();
    let asked = Some(only(&["a.example:443", "c.example:443"]));

    let refused = world.try_submit(of("fetching", Isolation::Bare, asked)).unwrap_err();

    let told = refused.to_string();
    for words in ["`c.example:443`", "class `fetching`", "a.example:443, b.example:80"] {
        assert!(told.contains(words), "{told}");
    }
}

#[test]
fn a_class_names_places_by_host_and_port() {
    let policy = |egress: &str| {
        let text =
            format!("policy-version = \"1\"\n[class.a]\ntier = \"permitted\"\negress = {egress}\n");
        repower_core::policy::Policy::parse(&text).map_err(|error| error.to_string())
    };

    for (wrong, told) in [
        ("[\"a.example\"]", "line 4: `egress` names 1 to 64 times one HOST:PORT"),
        ("[]", "line 4: `egress` names"),
        ("\"closed\"", "line 4, column 10: `egress` is \"open\", \"none\" or a list"),
        ("7", "line 4, column 10: `egress` is"),
    ] {
        let found = policy(wrong).unwrap_err();
        assert!(found.starts_with(told), "{wrong} gives {found:?}");
    }
    let many = (0..65).map(|one| format!("\"a:{}\"", one + 1)).collect::<Vec<_>>().join(",");
    assert!(policy(&format!("[{many}]")).is_err());
    assert!(policy("[\"[::1]:1\", \"a:1\"]").is_ok());
}

#[test]
fn the_name_of_a_variable_is_one_word_so_that_no_engine_takes_it_for_several() {
    let mut world = world();
    let with = |name: &str| {
        let variable = repower_model::Variable { name: name.into(), value: "x".into() };
        JobSpec { environment: vec![variable], ..job() }
    };

    for name in ["A\nB*", "A B", "A\tB", "A\u{a0}B", "\u{1b}A"] {
        let refused = world.try_submit(with(name)).unwrap_err().to_string();
        assert!(refused.starts_with("the name of a variable has a blank"), "{name:?}: {refused}");
    }
    world.submit(with("#ODD.but-1"));
}

#[test]
fn a_folder_of_the_nodes_is_no_place_for_the_files_of_a_job_that_is_kept_apart() {
    let mut world = world();
    let with = |class: &str, isolation, folder: &str, has_outputs: bool| {
        let outputs = has_outputs.then(|| "out".to_owned()).into_iter().collect();
        JobSpec { working_folder: folder.into(), outputs, ..of(class, isolation, None) }
    };
    for spec in [
        with("sci-simulation", Isolation::Boxed, "/etc/cron.d", true),
        with("sci-simulation", Isolation::Sealed, "/etc/cron.d", true),
        with("strangers", Isolation::Bare, "/etc/cron.d", true),
        with("strangers", Isolation::Bare, "/usr/..", false),
        with("guests", Isolation::Bare, "/etc/cron.d", true),
    ] {
        let refused = world.try_submit(spec).unwrap_err().to_string();
        assert!(refused.starts_with("the working folder "), "{refused}");
        let reasons = ["asks for isolation", "class `strangers` has isolation", "have the user of"];
        let named = reasons.iter().filter(|reason| refused.contains(**reason)).count();
        assert_eq!(named, 1, "one reason applies, and is named: {refused}");
    }

    world.submit(with("sci-simulation", Isolation::Bare, "/srv/../data", true));
    world.submit(with("guests", Isolation::Bare, "/srv/../data", false));
    world.submit(with("strangers", Isolation::Bare, "/usr/..data", false));
    world.submit(with("strangers", Isolation::Bare, "", true));
}

#[test]
fn a_folder_that_no_box_shows_is_refused_with_what_asks_for_the_box() {
    let mut world = world();
    let at = |class: &str, isolation, egress, folder: &str| JobSpec {
        working_folder: folder.into(),
        ..of(class, isolation, egress)
    };

    for (spec, because) in [
        (
            at("sci-simulation", Isolation::Boxed, None, "/home/ada"),
            "the job asks for isolation `boxed`",
        ),
        (
            at("strangers", Isolation::Bare, None, "/home/ada"),
            "class `strangers` has isolation `boxed`",
        ),
        (
            at("sci-simulation", Isolation::Bare, Some(Egress::None), "/home/ada"),
            "the job asks for an egress that is not open",
        ),
        (at("sci-simulation", Isolation::Boxed, None, "/tmp/mine"), "not seen from a box"),
        (at("sci-simulation", Isolation::Boxed, None, "/usrlocal"), "not seen from a box"),
    ] {
        let refused = world.try_submit(spec).unwrap_err().to_string();
        assert!(refused.contains(because) && refused.contains("say `fresh`"), "{refused}");
    }
    world.submit(at("sci-simulation", Isolation::Boxed, None, "/tmp"));
    world.submit(at("sci-simulation", Isolation::Bare, Some(Egress::None), "/opt/tools"));
    world.submit(at("sci-simulation", Isolation::Bare, None, "/home/ada"));
}

#[test]
fn a_job_starts_only_where_its_node_can_do_what_it_needs_and_why_names_what_lacks() {
    let mut world = world();
    let boxed = world.submit(of("strangers", Isolation::Bare, None));
    let limited = world.submit(JobSpec { pids: Some(7), ..job() });
    let sealed = world.submit(of("secret", Isolation::Bare, None));
    let listed =
        world.submit(of("sci-simulation", Isolation::Bare, Some(only(&["a.example:443"]))));

    let pinned = world.submit(JobSpec { pin_cpus: true, ..job() });
    let weighed = world.submit(JobSpec { io_weight: Some(1000), ..job() });

    let placed: Vec<_> =
        world.schedule().into_iter().map(|(attempt, node)| (attempt.task.job, node)).collect();

    assert_eq!(placed, [(boxed, NodeId(2)), (limited, NodeId(2))]);
    for (job, ability) in [
        (sealed, "isolation.sealed"),
        (listed, "egress.allow-list"),
        (pinned, "cpuset"),
        (weighed, "limit.io"),
    ] {
        let found = why(world.engine.state(), job, None, world.now).unwrap();
        assert_eq!(found.reason.code(), "nodes.abilities");
        assert_eq!(
            found.reason.to_string(),
            format!("no node that takes work is able to do {ability}")
        );
        assert!(found.reason.hint().unwrap().contains("repower node NAME"));
    }
}

#[test]
fn a_job_without_a_network_goes_where_there_are_boxes_and_one_in_an_image_to_its_engine() {
    let mut world = world();
    world.turn(&able(NodeId(1), &["container", "namespace.network"])).unwrap();
    let image = format!("localhost/x@sha256:{}", "0".repeat(64));
    let alone = world.submit(of("quiet", Isolation::Bare, None));
    let inside = world.submit(JobSpec { image, ..of("quiet", Isolation::Bare, None) });

    let placed: Vec<_> =
        world.schedule().into_iter().map(|(attempt, node)| (attempt.task.job, node)).collect();

    assert_eq!(placed, [(alone, NodeId(2)), (inside, NodeId(1))]);
    let spec = &world.engine.state().job(inside).unwrap().spec;
    assert_eq!((spec.isolation, &spec.egress), (Isolation::Bare, &Some(Egress::None)));
}

#[test]
fn only_a_class_that_the_policy_lets_be_root_has_the_user_of_the_agent() {
    let mut world = world();
    let egress = Some(only(&["a.example:443"]));
    for (spec, own) in [
        (of("sci-simulation", Isolation::Bare, None), false),
        (of("guests", Isolation::Bare, None), true),
        (JobSpec { project_user: true, ..of("sci-simulation", Isolation::Bare, None) }, true),
        (of("guests", Isolation::Boxed, None), false),
        (of("guests", Isolation::Bare, egress), false),
        (of("strangers", Isolation::Bare, None), false),
    ] {
        let told = format!("{spec:?}");
        let id = world.submit(spec);

        assert_eq!(world.engine.state().job(id).unwrap().spec.project_user, own, "{told}");
    }
}

#[test]
fn who_is_not_to_be_root_goes_only_where_an_agent_can_see_to_it() {
    let mut world = world();
    world.turn(&able(NodeId(1), &[])).unwrap();
    world.turn(&able(NodeId(2), &[])).unwrap();
    let guest = world.submit(of("guests", Isolation::Bare, None));
    let root = world.submit(of("sci-simulation", Isolation::Bare, None));

    let placed: Vec<_> = world.schedule().into_iter().map(|(one, _)| one.task.job).collect();

    assert_eq!(placed, [root]);
    let told = why(world.engine.state(), guest, None, world.now).unwrap().reason.to_string();
    assert_eq!(told, "no node that takes work is able to do isolation.bare");
    world.turn(&able(NodeId(2), &["isolation.bare"])).unwrap();
    let placed: Vec<_> =
        world.schedule().into_iter().map(|(one, node)| (one.task.job, node)).collect();
    assert_eq!(placed, [(guest, NodeId(2))]);
}

#[test]
fn a_class_whose_jobs_are_boxed_cannot_be_root_and_a_policy_that_says_so_is_told_the_line() {
    let read = |rest: &str| {
        let text = format!("policy-version = \"1\"\n[class.a]\ntier = \"permitted\"\n{rest}\n");
        Policy::parse(&text).map_err(|error| error.to_string())
    };

    for (wrong, told) in [
        ("isolation = \"boxed\"\nroot = true", "line 5: `root` is for jobs on the level `bare`"),
        ("isolation = \"sealed\"\nroot = true", "line 5: `root` is for"),
        ("root = \"yes\"", "line 4, column 8: "),
        ("rot = true", "line 4, column 1: "),
    ] {
        let found = read(wrong).unwrap_err();
        assert!(found.starts_with(told), "{wrong} gives {found:?}");
    }
    let (with, without) = (read("root = true").unwrap(), read("root = false").unwrap());
    assert!(with.classes["a"].root && !without.classes["a"].root);
    let found: Vec<_> = diff(&without, &with).into_iter().map(|one| (one.key, one.after)).collect();
    assert_eq!(found, [("class.a.root".to_owned(), Some("true".to_owned()))]);
}

#[test]
fn the_built_in_policy_lets_classes_be_root_and_says_that_a_site_should_not() {
    let policy = Policy::parse(DEFAULT).unwrap();

    let runs = policy.classes.values().filter(|class| class.tier != Tier::Prohibited);
    assert!(runs.clone().count() > 0 && runs.clone().all(|class| class.root));
    assert!(DEFAULT.contains("SHOULD LEAVE IT OUT"));
}

#[test]
fn who_declares_its_memory_goes_where_that_is_its_limit() {
    let mut world = world();
    world.turn(&able(NodeId(1), &["limit.memory"])).unwrap();
    let memory = Resources { memory: Bytes::from_mib(1), ..cpus(1) };
    let small = world.submit(JobSpec { resources: memory.clone(), ..job() });

    let placed: Vec<_> = world.schedule().into_iter().map(|(_, node)| node).collect();

    assert_eq!(placed, [NodeId(1)]);
    world.turn(&able(NodeId(1), &[])).unwrap();
    let next = world.submit(JobSpec { resources: memory, ..job() });
    assert!(world.schedule().is_empty() && next > small);
    let told = why(world.engine.state(), next, None, world.now).unwrap().reason.to_string();
    assert_eq!(told, "no node that takes work is able to do limit.memory");
}

#[test]
fn abilities_that_a_node_gains_count_at_once() {
    let mut world = world();
    let sealed = world.submit(of("secret", Isolation::Bare, None));
    assert!(world.schedule().is_empty());

    world.turn(&able(NodeId(1), &["isolation.sealed", "namespace.network"])).unwrap();

    let placed = world.schedule();
    assert_eq!(
        placed.first().map(|(attempt, node)| (attempt.task.job, *node)),
        Some((sealed, NodeId(1)))
    );
}
