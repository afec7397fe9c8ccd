//! What both folders come to: entities, each on the device of its module, and problems.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::description::Description;
use super::folder::Folder;
use super::module;
use super::module::Module;
use super::watch::News;
use crate::entity::Device;
use crate::entity::Entity;
use crate::model::ObjectId;

/// The descriptors and the registry of modules, as they were last read.
pub(super) struct Inventory {
    descriptors: Folder<Description>,
    modules: Folder<Module>,
    /// Below which the modules' devices hang.
    parent: Device,
}

/// Entities with their owners, by id.
pub(super) type Entities = BTreeMap<ObjectId, (String, Entity)>;

impl Inventory {
    /// The descriptors in `folder` and the registry in `modules`. Not looked into yet.
    pub(super) fn new(folder: &Path, modules: &Path, parent: &Device) -> Inventory {
        Inventory {
            descriptors: Folder::new(folder, Description::parse),
            modules: Folder::new(modules, Module::parse),
            parent: parent.clone(),
        }
    }

    /// Looks at what the news speak of. Blocks for the card.
    pub(super) fn update(&mut self, of_descriptors: &News, of_modules: &News) {
        self.descriptors.update(of_descriptors);
        self.modules.update(of_modules);
    }

    /// What is described, and what is wrong, as sentences. Of two descriptors of one id the first by name counts.
    pub(super) fn entities(&self) -> (Entities, BTreeSet<String>) {
        let mut problems: BTreeSet<String> =
            self.descriptors.problems().chain(self.modules.problems()).collect();
        let mut devices: BTreeMap<&str, Arc<Device>> = BTreeMap::new();
        let mut entities = Entities::new();
        for (file, Description { entity, module }) in self.descriptors.sheets() {
            let id = entity.id();
            if let Some((holder, _)) = entities.get(id) {
                problems.insert(format!(
                    "{}: sensor_id: expected one that no other file has, found {:?}, which {holder} has",
                    self.descriptors.shown(file),
                    id.as_str(),
                ));
                continue;
            }
            let device = devices.entry(module).or_insert_with(|| Arc::new(self.device(module)));
            let entity = named_on(device, entity.clone()).on_device(device.clone());
            entities.insert(id.clone(), (owner(file), entity));
        }
        (entities, problems)
    }

    fn device(&self, module: &str) -> Device {
        let noted = || self.modules.sheets().map(|(_, it)| it);
        let noted: Vec<&Module> = noted().collect();
        module::device(&self.parent, module, Module::named(noted.iter().copied(), module))
    }
}

/// Who has announced what the file called `file` describes.
pub(super) fn owner(file: &str) -> String {
    format!("{OWNER}{file}")
}

/// The file that `owner` stands for.
pub(super) fn file_of(owner: &str) -> Option<&str> {
    owner.strip_prefix(OWNER)
}

/// `entity` under a name that does not begin with that of `device`, which Home Assistant shows before it. The modules
/// named their sensors to stand alone: `mario motion` is `motion` on the device `mario`.
fn named_on(device: &Device, entity: Entity) -> Entity {
    let begins = |name: &str| name.starts_with(&device.name);
    let name = entity.name();
    if device.name.is_empty() || !begins(name) {
        return entity;
    }
    let rest = &name[device.name.len()..];
    let rest = Some(rest).filter(|it| it.starts_with(BETWEEN)).map(|it| it.trim_start_matches(BETWEEN));
    let (id, platform) = (entity.id().clone(), entity.platform().to_string().replace('_', " "));
    let candidates = [rest.unwrap_or_default(), id.as_str(), &platform, "value"];
    let name = candidates.into_iter().find(|it| !it.is_empty() && !begins(it)).unwrap_or(name);
    entity.clone().renamed(id.clone(), name).unwrap_or(entity)
}

const OWNER: &str = "descriptor ";
/// What stands between the name of a module and that of its sensor.
const BETWEEN: [char; 5] = [' ', '_', '-', ':', '.'];
