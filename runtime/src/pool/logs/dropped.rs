//! Tells that some of what tasks logged was dropped.

use super::Context;

/// Has those who hear of this context hear of it, as a warning.
pub(super) fn tell(context: &Context, dropped: u64) {
    #[cfg(feature = "tracing")]
    if context.levels().tracing > 1 {
        tell_subscriber(context, dropped);
    }
    #[cfg(feature = "log")]
    if context.levels().log > 1 {
        log::warn!(target: "parproc", "{MESSAGE}: {dropped}");
    }
}

const MESSAGE: &str = "logs of tasks were dropped, since nobody took them for a while";

#[cfg(feature = "tracing")]
fn tell_subscriber(context: &Context, dropped: u64) {
    use crate::wire::log::{LogSite, LogValue, LogValues};
    let site = LogSite {
        span: false,
        level: 2,
        name: "dropped".into(),
        target: "parproc".into(),
        module: None,
        file: None,
        line: None,
        fields: vec!["message".into(), "dropped".into()],
    };
    let Some(metadata) = super::callsites::metadata(&site) else {
        return;
    };
    let message = LogValue::Shown(MESSAGE.into());
    let values = LogValues(vec![(0, message), (1, LogValue::U64(dropped))]);
    let (dispatch, parent) = context.listener();
    super::values::with_values(metadata, &values, |values| {
        super::span::tell(&dispatch, |dispatch| {
            if dispatch.enabled(metadata) {
                let event = tracing_core::Event::new_child_of(parent.clone(), metadata, values);
                dispatch.event(&event);
            }
        });
    });
}
