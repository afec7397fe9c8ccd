#!/usr/bin/env python3
"""A door's contact between GPIO 17 and ground, in Home Assistant. Needs gpiozero, and luigi_mqtt.py beside it."""

from signal import pause

import luigi_mqtt
from gpiozero import Button

luigi_mqtt.register_binary_sensor("front_door", "Front Door", device_class="door")
contact = Button(17, bounce_time=0.05)
contact.when_pressed = lambda: luigi_mqtt.publish("front_door", False)
contact.when_released = lambda: luigi_mqtt.publish("front_door", True)
luigi_mqtt.publish("front_door", not contact.is_pressed)
pause()
