//! One entry of Luigi's registry of installed modules, and the device that a module is.

use super::fields::Fields;
use super::folder::Sheet;
use crate::entity::Device;

/// What Luigi's installer has noted of a module.
pub(super) struct Module {
    /// `mario`.
    name: Option<String>,
    /// `motion-detection/mario`. The file's name says the same, but not without doubt: `_` may be a `/` there.
    path: Option<String>,
    version: Option<String>,
    category: Option<String>,
    is_removed: bool,
}

impl Module {
    /// The entry in the file called `_file`. There is more in it than counts here.
    pub(super) fn parse(_file: &str, bytes: &[u8]) -> Result<Sheet<Module>, String> {
        let mut fields = Fields::parse(bytes)?;
        let [name, path, version, category, status] =
            ["name", "module_path", "version", "category", "status"].map(|key| fields.text(key));
        fields.finish()?;
        if name.is_none() && path.is_none() {
            return Err("name, module_path: expected a text, found none".to_owned());
        }
        let is_removed = status.as_deref() == Some("removed");
        let content = Module { name, path, version, category, is_removed };
        Ok(Sheet { content, remarks: Vec::new() })
    }

    /// The one of `modules` that a descriptor means by `named`: by its path, else by its name, else by the last part of
    /// its path.
    pub(super) fn named<'a>(
        modules: impl Iterator<Item = &'a Module> + Clone,
        named: &str,
    ) -> Option<&'a Module> {
        let first = |is: &dyn Fn(&Module) -> bool| modules.clone().find(|it| !it.is_removed && is(it));
        first(&|it| it.path.as_deref() == Some(named))
            .or_else(|| first(&|it| it.name.as_deref() == Some(named)))
            .or_else(|| first(&|it| it.path.as_deref().is_some_and(|path| last_part(path) == named)))
    }
}

/// The device below `parent` that the module spelt `named` is, with what is noted of it, if anything.
pub(super) fn device(parent: &Device, named: &str, module: Option<&Module>) -> Device {
    let noted = |of: fn(&Module) -> &Option<String>| module.and_then(|it| of(it).clone());
    Device {
        // It does not depend on what is noted: the device stays the same when that comes later.
        identifier: parent.identifier_below(named),
        name: noted(|it| &it.name).unwrap_or_else(|| last_part(named).to_owned()),
        manufacturer: parent.manufacturer.clone(),
        model: noted(|it| &it.category).map_or(MODEL.to_owned(), |it| format!("{MODEL} ({it})")),
        sw_version: noted(|it| &it.version).unwrap_or_default(),
        via: Some(parent.identifier.clone()),
    }
}

fn last_part(path: &str) -> &str {
    path.rsplit('/').find(|it| !it.is_empty()).unwrap_or(path)
}

const MODEL: &str = "Luigi module";
