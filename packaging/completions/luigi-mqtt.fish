# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_luigi_mqtt_global_optspecs
    string join \n c/config= h/help V/version
end

function __fish_luigi_mqtt_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_luigi_mqtt_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_luigi_mqtt_using_subcommand
    set -l cmd (__fish_luigi_mqtt_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c luigi-mqtt -n "__fish_luigi_mqtt_needs_command" -s c -l config -d 'Configuration file, which must exist [default: /etc/luigi/iot/luigi-mqtt/luigi-mqtt.conf, else those of the older modules ha-mqtt-py and ha-mqtt, else all defaults]' -r -F
complete -c luigi-mqtt -n "__fish_luigi_mqtt_needs_command" -s h -l help -d 'Print help'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_needs_command" -s V -l version -d 'Print version'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_needs_command" -f -a "run" -d 'Run in the foreground until SIGTERM or Ctrl-C: the daemon'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_needs_command" -f -a "check" -d 'Check the configuration and everything that would be announced'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_needs_command" -f -a "ghosts" -d 'List what is announced to Home Assistant and has no owner any more, ours and others\''
complete -c luigi-mqtt -n "__fish_luigi_mqtt_needs_command" -f -a "migrate" -d 'Remove and move in Home Assistant what the next start of the daemon would. It must not run meanwhile'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_needs_command" -f -a "withdraw" -d 'Remove all that was announced from Home Assistant and from the broker, as before an uninstall. The daemon must not run meanwhile'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_needs_command" -f -a "templates" -d 'List the templates: what each is for, lines to put into the configuration, and the device-tree overlay that the kernel needs for it'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_needs_command" -f -a "publish" -d 'Publish a sensor\'s value or a message, or several of them'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_needs_command" -f -a "subscribe" -d 'Listen to what is published on some topics'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_needs_command" -f -a "devices" -d 'List what others announce to Home Assistant, with their states'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_needs_command" -f -a "get" -d 'Print the state of an entity, ours or another\'s'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_needs_command" -f -a "set" -d 'Ask an entity for a state: turn it on, set it, press it'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_needs_command" -f -a "register" -d 'Have an entity announced to Home Assistant, to be fed by `publish`'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_needs_command" -f -a "unregister" -d 'Have an entity removed that `register` has announced'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_needs_command" -f -a "status" -d 'Show how the daemon fares: connection, deliveries, sources, spool, memory, clients'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_needs_command" -f -a "reload" -d 'Have the daemon read its configuration again. One with a mistake is refused, and the old one stands'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_needs_command" -f -a "completions" -d 'Print what completes this command\'s arguments in a shell'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand run" -s c -l config -d 'Configuration file, which must exist [default: /etc/luigi/iot/luigi-mqtt/luigi-mqtt.conf, else those of the older modules ha-mqtt-py and ha-mqtt, else all defaults]' -r -F
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand run" -l mock -d 'Bring a broker of our own and show what arrives there: needs nothing, reaches nothing. The environment variable MOCK_MODE=1 does the same'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand run" -s h -l help -d 'Print help'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand check" -s c -l config -d 'Configuration file, which must exist [default: /etc/luigi/iot/luigi-mqtt/luigi-mqtt.conf, else those of the older modules ha-mqtt-py and ha-mqtt, else all defaults]' -r -F
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand check" -l connect -d 'Go on to the broker and say which step fails: name, TCP, TLS, login, permission to publish, Home Assistant'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand check" -s h -l help -d 'Print help'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand ghosts" -s c -l config -d 'Configuration file, which must exist [default: /etc/luigi/iot/luigi-mqtt/luigi-mqtt.conf, else those of the older modules ha-mqtt-py and ha-mqtt, else all defaults]' -r -F
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand ghosts" -l listen -d 'How long to listen to the broker' -r
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand ghosts" -l clear -d 'Remove what is certain, or what is named, after a question at the terminal'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand ghosts" -l yes -d 'Remove without a question'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand ghosts" -l json -d 'List them as JSON'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand ghosts" -s h -l help -d 'Print help'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand migrate" -s c -l config -d 'Configuration file, which must exist [default: /etc/luigi/iot/luigi-mqtt/luigi-mqtt.conf, else those of the older modules ha-mqtt-py and ha-mqtt, else all defaults]' -r -F
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand migrate" -l dry-run -d 'Only say what would be done'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand migrate" -s h -l help -d 'Print help'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand withdraw" -s c -l config -d 'Configuration file, which must exist [default: /etc/luigi/iot/luigi-mqtt/luigi-mqtt.conf, else those of the older modules ha-mqtt-py and ha-mqtt, else all defaults]' -r -F
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand withdraw" -l dry-run -d 'Only say what would be done'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand withdraw" -s y -l yes -d 'Do not ask'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand withdraw" -s h -l help -d 'Print help'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand templates" -s c -l config -d 'Configuration file, which must exist [default: /etc/luigi/iot/luigi-mqtt/luigi-mqtt.conf, else those of the older modules ha-mqtt-py and ha-mqtt, else all defaults]' -r -F
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand templates" -s h -l help -d 'Print help'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand publish" -s c -l config -d 'Configuration file, which must exist [default: /etc/luigi/iot/luigi-mqtt/luigi-mqtt.conf, else those of the older modules ha-mqtt-py and ha-mqtt, else all defaults]' -r -F
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand publish" -l sensor -d 'The id of the sensor, as the first word is' -r
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand publish" -l value -d 'Its value, as the second word is' -r
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand publish" -l attributes -d 'Its attributes, in the place of those before: a JSON object; of an entity that is described with attributes' -r
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand publish" -l available -d 'Whether it is available, apart from the device' -r
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand publish" -s t -l topic -d 'Publish the payload on this topic, rather than a sensor\'s value' -r
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand publish" -l payload-file -d 'The payload is what this file contains, `-` is standard input; any bytes' -r -F
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand publish" -s q -l qos -d '0 at most once, 1 at least once, 2 exactly once [default: as configured]' -r
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand publish" -l delivery -d 'Which of several on one topic are worth sending after an outage [default: every]' -r
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand publish" -l wait -d 'Wait until the broker has acknowledged it, for so many seconds at most [default: 10]' -r
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand publish" -l socket -d 'The daemon\'s socket; nothing but it is tried then [default: what LUIGI_MQTT_SOCKET names, else [Socket] PATH of the configuration, else /run/luigi-mqtt/luigi-mqtt.sock]' -r -F
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand publish" -s r -l retain -d 'Have the broker keep it'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand publish" -l stdin -d 'Publish what standard input says, a line each: SENSOR VALUE'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand publish" -l topic-lines -d 'The same with lines of TOPIC PAYLOAD'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand publish" -l json-lines -d 'The same with requests as the socket takes them: {"op":"reading","entity":…} or {"op":"publish","topic":…}'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand publish" -l json -d 'Print the answers as JSON, one a line'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand publish" -l direct -d 'Connect to the broker by ourselves, as the configuration says, even while the daemon runs'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand publish" -s h -l help -d 'Print help'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand subscribe" -s c -l config -d 'Configuration file, which must exist [default: /etc/luigi/iot/luigi-mqtt/luigi-mqtt.conf, else those of the older modules ha-mqtt-py and ha-mqtt, else all defaults]' -r -F
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand subscribe" -s q -l qos -d 'The highest quality of service at which messages come; 2 is asked for as 1' -r
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand subscribe" -s n -l count -d 'End after so many messages' -r
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand subscribe" -l for -d 'End after so long' -r
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand subscribe" -l socket -d 'The daemon\'s socket; nothing but it is tried then [default: what LUIGI_MQTT_SOCKET names, else [Socket] PATH of the configuration, else /run/luigi-mqtt/luigi-mqtt.sock]' -r -F
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand subscribe" -l retained-only -d 'Only what the broker keeps; end when no more of it comes for a second'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand subscribe" -l no-retained -d 'Only news: not what the broker keeps'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand subscribe" -l json -d 'Print each message as JSON, one a line'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand subscribe" -l direct -d 'Connect to the broker by ourselves, as the configuration says, even while the daemon runs'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand subscribe" -s h -l help -d 'Print help'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand devices" -s c -l config -d 'Configuration file, which must exist [default: /etc/luigi/iot/luigi-mqtt/luigi-mqtt.conf, else those of the older modules ha-mqtt-py and ha-mqtt, else all defaults]' -r -F
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand devices" -l socket -d 'The daemon\'s socket; nothing but it is tried then [default: what LUIGI_MQTT_SOCKET names, else [Socket] PATH of the configuration, else /run/luigi-mqtt/luigi-mqtt.sock]' -r -F
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand devices" -s w -l watch -d 'Go on and print what changes, a line each, until Ctrl-C'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand devices" -l json -d 'Print them as JSON, one a line'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand devices" -l direct -d 'Connect to the broker by ourselves, as the configuration says, even while the daemon runs'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand devices" -s h -l help -d 'Print help'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand get" -s c -l config -d 'Configuration file, which must exist [default: /etc/luigi/iot/luigi-mqtt/luigi-mqtt.conf, else those of the older modules ha-mqtt-py and ha-mqtt, else all defaults]' -r -F
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand get" -l socket -d 'The daemon\'s socket; nothing but it is tried then [default: what LUIGI_MQTT_SOCKET names, else [Socket] PATH of the configuration, else /run/luigi-mqtt/luigi-mqtt.sock]' -r -F
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand get" -l json -d 'Print all that is known of it as JSON'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand get" -l direct -d 'Connect to the broker by ourselves, as the configuration says, even while the daemon runs'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand get" -s h -l help -d 'Print help'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand set" -s c -l config -d 'Configuration file, which must exist [default: /etc/luigi/iot/luigi-mqtt/luigi-mqtt.conf, else those of the older modules ha-mqtt-py and ha-mqtt, else all defaults]' -r -F
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand set" -l wait -d 'Wait until it says that it is so, for so many seconds at most [default: 10]' -r
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand set" -l socket -d 'The daemon\'s socket; nothing but it is tried then [default: what LUIGI_MQTT_SOCKET names, else [Socket] PATH of the configuration, else /run/luigi-mqtt/luigi-mqtt.sock]' -r -F
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand set" -l json -d 'Print the answer as JSON'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand set" -l direct -d 'Connect to the broker by ourselves, as the configuration says, even while the daemon runs'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand set" -s h -l help -d 'Print help'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand register" -s c -l config -d 'Configuration file, which must exist [default: /etc/luigi/iot/luigi-mqtt/luigi-mqtt.conf, else those of the older modules ha-mqtt-py and ha-mqtt, else all defaults]' -r -F
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand register" -l name -d 'As people see it [default: the id, spelt for people]' -r
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand register" -l device-class -d 'What it is to Home Assistant: temperature, motion, door …' -r
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand register" -l unit -d 'In what it is measured: °C, %, hPa …' -r
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand register" -l state-class -d 'measurement, total or total_increasing: Home Assistant keeps statistics then' -r
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand register" -l icon -d 'A Material Design icon: mdi:thermometer' -r
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand register" -l precision -d 'How many decimal places are shown' -r
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand register" -l expire-after -d 'After how long without a value it is unavailable' -r
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand register" -l options -d 'Of a select or an event: what it may be, with commas between' -r
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand register" -l json -d 'All of it, as a JSON object; what the socket takes as `entity`' -r
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand register" -l socket -d 'The daemon\'s socket; nothing but it is tried then [default: what LUIGI_MQTT_SOCKET names, else [Socket] PATH of the configuration, else /run/luigi-mqtt/luigi-mqtt.sock]' -r -F
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand register" -l until-exit -d 'Keep it while this command runs, until Ctrl-C, and print what Home Assistant asks of it, a JSON object a line. Otherwise it stays until `luigi-mqtt unregister`'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand register" -l direct -d 'Connect to the broker by ourselves, as the configuration says, even while the daemon runs'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand register" -s h -l help -d 'Print help'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand unregister" -s c -l config -d 'Configuration file, which must exist [default: /etc/luigi/iot/luigi-mqtt/luigi-mqtt.conf, else those of the older modules ha-mqtt-py and ha-mqtt, else all defaults]' -r -F
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand unregister" -l socket -d 'The daemon\'s socket; nothing but it is tried then [default: what LUIGI_MQTT_SOCKET names, else [Socket] PATH of the configuration, else /run/luigi-mqtt/luigi-mqtt.sock]' -r -F
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand unregister" -l direct -d 'Connect to the broker by ourselves, as the configuration says, even while the daemon runs'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand unregister" -s h -l help -d 'Print help'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand status" -l socket -d 'The daemon\'s socket; nothing but it is tried then [default: what LUIGI_MQTT_SOCKET names, else [Socket] PATH of the configuration, else /run/luigi-mqtt/luigi-mqtt.sock]' -r -F
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand status" -s c -l config -d 'Configuration file, which must exist [default: /etc/luigi/iot/luigi-mqtt/luigi-mqtt.conf, else those of the older modules ha-mqtt-py and ha-mqtt, else all defaults]' -r -F
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand status" -l json -d 'Print it as JSON'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand status" -l direct -d 'Connect to the broker by ourselves, as the configuration says, even while the daemon runs'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand status" -s h -l help -d 'Print help'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand reload" -l socket -d 'The daemon\'s socket; nothing but it is tried then [default: what LUIGI_MQTT_SOCKET names, else [Socket] PATH of the configuration, else /run/luigi-mqtt/luigi-mqtt.sock]' -r -F
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand reload" -s c -l config -d 'Configuration file, which must exist [default: /etc/luigi/iot/luigi-mqtt/luigi-mqtt.conf, else those of the older modules ha-mqtt-py and ha-mqtt, else all defaults]' -r -F
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand reload" -l json -d 'Print the answer as JSON'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand reload" -s h -l help -d 'Print help'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand completions" -s c -l config -d 'Configuration file, which must exist [default: /etc/luigi/iot/luigi-mqtt/luigi-mqtt.conf, else those of the older modules ha-mqtt-py and ha-mqtt, else all defaults]' -r -F
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand completions" -s h -l help -d 'Print help'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand help; and not __fish_seen_subcommand_from run check ghosts migrate withdraw templates publish subscribe devices get set register unregister status reload completions help" -f -a "run" -d 'Run in the foreground until SIGTERM or Ctrl-C: the daemon'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand help; and not __fish_seen_subcommand_from run check ghosts migrate withdraw templates publish subscribe devices get set register unregister status reload completions help" -f -a "check" -d 'Check the configuration and everything that would be announced'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand help; and not __fish_seen_subcommand_from run check ghosts migrate withdraw templates publish subscribe devices get set register unregister status reload completions help" -f -a "ghosts" -d 'List what is announced to Home Assistant and has no owner any more, ours and others\''
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand help; and not __fish_seen_subcommand_from run check ghosts migrate withdraw templates publish subscribe devices get set register unregister status reload completions help" -f -a "migrate" -d 'Remove and move in Home Assistant what the next start of the daemon would. It must not run meanwhile'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand help; and not __fish_seen_subcommand_from run check ghosts migrate withdraw templates publish subscribe devices get set register unregister status reload completions help" -f -a "withdraw" -d 'Remove all that was announced from Home Assistant and from the broker, as before an uninstall. The daemon must not run meanwhile'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand help; and not __fish_seen_subcommand_from run check ghosts migrate withdraw templates publish subscribe devices get set register unregister status reload completions help" -f -a "templates" -d 'List the templates: what each is for, lines to put into the configuration, and the device-tree overlay that the kernel needs for it'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand help; and not __fish_seen_subcommand_from run check ghosts migrate withdraw templates publish subscribe devices get set register unregister status reload completions help" -f -a "publish" -d 'Publish a sensor\'s value or a message, or several of them'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand help; and not __fish_seen_subcommand_from run check ghosts migrate withdraw templates publish subscribe devices get set register unregister status reload completions help" -f -a "subscribe" -d 'Listen to what is published on some topics'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand help; and not __fish_seen_subcommand_from run check ghosts migrate withdraw templates publish subscribe devices get set register unregister status reload completions help" -f -a "devices" -d 'List what others announce to Home Assistant, with their states'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand help; and not __fish_seen_subcommand_from run check ghosts migrate withdraw templates publish subscribe devices get set register unregister status reload completions help" -f -a "get" -d 'Print the state of an entity, ours or another\'s'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand help; and not __fish_seen_subcommand_from run check ghosts migrate withdraw templates publish subscribe devices get set register unregister status reload completions help" -f -a "set" -d 'Ask an entity for a state: turn it on, set it, press it'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand help; and not __fish_seen_subcommand_from run check ghosts migrate withdraw templates publish subscribe devices get set register unregister status reload completions help" -f -a "register" -d 'Have an entity announced to Home Assistant, to be fed by `publish`'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand help; and not __fish_seen_subcommand_from run check ghosts migrate withdraw templates publish subscribe devices get set register unregister status reload completions help" -f -a "unregister" -d 'Have an entity removed that `register` has announced'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand help; and not __fish_seen_subcommand_from run check ghosts migrate withdraw templates publish subscribe devices get set register unregister status reload completions help" -f -a "status" -d 'Show how the daemon fares: connection, deliveries, sources, spool, memory, clients'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand help; and not __fish_seen_subcommand_from run check ghosts migrate withdraw templates publish subscribe devices get set register unregister status reload completions help" -f -a "reload" -d 'Have the daemon read its configuration again. One with a mistake is refused, and the old one stands'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand help; and not __fish_seen_subcommand_from run check ghosts migrate withdraw templates publish subscribe devices get set register unregister status reload completions help" -f -a "completions" -d 'Print what completes this command\'s arguments in a shell'
complete -c luigi-mqtt -n "__fish_luigi_mqtt_using_subcommand help; and not __fish_seen_subcommand_from run check ghosts migrate withdraw templates publish subscribe devices get set register unregister status reload completions help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
