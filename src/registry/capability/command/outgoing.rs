//! The messages of one wish, in the making.

use crate::model::Message;
use crate::model::Qos;
use crate::model::Topic;
use crate::registry::capability::SetError;
use crate::registry::capability::config::Config;
use crate::registry::capability::template::Py;
use crate::registry::capability::template::Rendered;

/// What is to be sent, by the entity's own topics, templates, quality of service and retain flag.
pub(super) struct Outgoing<'a> {
    config: Config<'a>,
    messages: Vec<Message>,
}

impl<'a> Outgoing<'a> {
    pub(super) fn new(config: Config<'a>) -> Outgoing<'a> {
        Outgoing { config, messages: Vec::new() }
    }

    pub(super) fn into_messages(self) -> Vec<Message> {
        self.messages
    }

    /// Adds `payload` for the topic of `topic_key`, as it is.
    pub(super) fn plain(&mut self, topic_key: &'static str, payload: String) -> Result<(), SetError> {
        let found = self.config.text_or(topic_key, "");
        let topic = Topic::new(&found).map_err(|_| SetError::NoTopic { key: topic_key, found })?;
        let level = self.config.number_or("qos", 0.0);
        self.messages.push(Message {
            topic,
            payload: payload.into_bytes().into(),
            qos: Qos::from_level(level as u8).unwrap_or(Qos::AtMostOnce),
            retain: self.config.flag("retain", false),
        });
        Ok(())
    }

    /// Adds `value` for the topic of `topic_key`, through the template of `template_key` where there is one.
    pub(super) fn value(
        &mut self,
        topic_key: &'static str,
        template_key: &'static str,
        value: Py,
    ) -> Result<(), SetError> {
        self.rendered(topic_key, template_key, value, Vec::new())
    }

    /// As [`Outgoing::value`], with more `names` for the template.
    pub(super) fn rendered(
        &mut self,
        topic_key: &'static str,
        template_key: &'static str,
        value: Py,
        mut names: Vec<(&'static str, Py)>,
    ) -> Result<(), SetError> {
        let Some(template) = self.config.template(template_key) else {
            return self.plain(topic_key, value.print());
        };
        names.insert(0, ("value", value));
        match template.render_command(&names) {
            Rendered::Text(payload) => self.plain(topic_key, payload),
            Rendered::Nothing | Rendered::Raw => Err(SetError::TemplateNotUnderstood {
                key: template_key,
                template: self.config.text_or(template_key, ""),
            }),
        }
    }
}
