//! What a plan would do, and how long it would take: all that can be said before it runs.

use super::forced::forced;
use super::history::History;
use super::predict::{Prediction, predict};
use crate::checked::CheckedPlan;
use crate::checked_estate::CheckedEstate;
use crate::context::Purpose;
use crate::diagnostic::Diagnostic;
use crate::lower::Request;
use crate::trigger::TriggerHead;
use model::{Mode, Name};
use std::collections::BTreeMap;

/// A plan as it would run, with steps that nobody carries out yet shown without orders, and what is predicted of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The plan: every order as it would be sent.
    pub plan: CheckedPlan,
    /// How long it takes.
    pub prediction: Prediction,
    /// When it begins by itself, live.
    pub trigger: Option<TriggerHead>,
}

impl CheckedEstate {
    /// Explains a plan in a mode with the given inputs, or says everything that is in its way. Steps that nobody
    /// carries out yet stand among the others, without orders. See
    /// [`predict`] for the history.
    pub fn explain(
        &self,
        plan: &Name,
        mode: Mode,
        inputs: &BTreeMap<String, String>,
        history: Option<(&History, &mut dyn FnMut() -> u64)>,
    ) -> Result<Explanation, Vec<Diagnostic>> {
        let request = Request { purpose: Purpose::Explain, ..self.request(mode, inputs) };
        let compiled = self.compiled(plan, request)?;
        let mut prediction = predict(&compiled, history);
        if let Some(document) = self.plans.get(plan) {
            let request = self.request(mode, inputs);
            prediction.forced = forced(document, &request, &compiled.steps, &prediction.estimated.path);
        }
        let trigger = self.plan(plan).and_then(|head| head.trigger).filter(|_| mode == Mode::Live);
        Ok(Explanation { plan: compiled, prediction, trigger })
    }
}
