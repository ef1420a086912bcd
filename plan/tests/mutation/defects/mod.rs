//! What may be wrong: one class of defect a line, with what the check must say of it.
//!
//! A class breaks one thing in a right estate or plan, and knows by the estate's own make-up what it broke.
//! It counts as found when one of its codes is told in the place that it names: the lines of what was broken,
//! or of what cannot work any more because of it.

mod added;
mod broken;
mod cutovers;
mod data;
mod domains;
mod estate;
mod fences;
mod graph;
mod kinds;
mod order;
mod parts;
mod promises;
mod references;
mod secrets;
mod values;

pub use broken::{Broken, in_place};

/// A class of defects.
pub struct Class {
    /// What is broken, for the table.
    pub name: &'static str,
    /// The codes that tell it.
    pub codes: &'static [&'static str],
    /// Breaks one place; `None` where the case has nothing of the kind.
    pub inject: fn(&mut Broken<'_>) -> Option<()>,
}

const fn class(
    name: &'static str,
    codes: &'static [&'static str],
    inject: fn(&mut Broken<'_>) -> Option<()>,
) -> Class {
    Class { name, codes, inject }
}

/// Every class.
pub static CLASSES: &[Class] = &[
    class("a name with a blank", &["LB0101"], values::name),
    class("a duration without a unit", &["LB0102"], values::duration),
    class("no cron expression", &["LB0103"], values::cron),
    class("no time zone", &["LB0104"], values::zone),
    class("a day that no month has", &["LB0105"], values::never),
    class("no YAML", &["LB0106"], values::syntax),
    class("too deep", &["LB0107"], values::deep),
    class("too large", &["LB0107"], values::large),
    class("a misspelt key", &["LB0108"], parts::misspelt),
    class("a missing field of a noun", &["LB0109"], parts::missing_of_noun),
    class("a missing field of a step", &["LB0109"], parts::missing_of_step),
    class("a map for a value", &["LB0110"], values::wrong_type),
    class("a word for a number", &["LB0110"], values::no_number),
    class("a word for yes or no", &["LB0110"], values::no_truth),
    class("a key twice in a map", &["LB0111"], parts::twice_in_map),
    class("a noun in two files", &["LB0111"], parts::twice_in_files),
    class("a name twice in a list", &["LB0111"], parts::twice_in_list),
    class("an unknown word", &["LB0112"], values::word),
    class("no address", &["LB0113"], values::address),
    class("no location", &["LB0114"], values::url),
    class("a time-out of nothing", &["LB0115"], values::nothing),
    class("beyond the bounds", &["LB0115"], values::beyond),
    class("a path that is not absolute", &["LB0116"], values::path),
    class("a secret in plain text", &["LB0117"], secrets::plain_secret),
    class("a secret among arguments", &["LB0117"], secrets::secret_argument),
    class("a secret in a URL", &["LB0117"], secrets::secret_url),
    class("a secret in the environment", &["LB0117"], secrets::secret_environment),
    class("a secret in a statement", &["LB0117"], secrets::secret_statement),
    class("a step without a verb", &["LB0118"], parts::no_verb),
    class("a step with two verbs", &["LB0118"], parts::two_verbs),
    class("a misspelt verb", &["LB0119"], parts::misspelt_verb),
    class("two that exclude each other", &["LB0120"], parts::both),
    class("an empty list", &["LB0121"], values::empty),
    class("an empty text", &["LB0121"], values::blank),
    class("no DNS name", &["LB0122"], values::domain),
    class("a record outside its zone", &["LB0122"], values::outside),
    class("two documents", &["LB0124"], values::documents),
    class("an input of another type", &["LB0126"], references::input_type),
    class("an input as part of a value", &["LB0126"], references::part_of_value),
    class("a time-out of a call", &["LB0127"], parts::common_of_call),
    class("an error allowed", &["LB0129"], parts::allowed_error),
    class("allowed without a reason", &["LB0130"], parts::allowed_silently),
    class("allowed in vain", &["LB0131"], parts::allowed_in_vain),
    class("a path that is too long", &["LB0132"], parts::long_name),
    class("no version", &["LB0133"], values::version),
    class("no share", &["LB0140"], values::share),
    class("no moment", &["LB0141"], values::moment),
    class("no digest", &["LB0142"], values::digest),
    class("an unknown name in the estate", &["LB0201"], references::of_estate),
    class("an unknown name in a plan", &["LB0201"], references::of_plan),
    class("after an unknown step", &["LB0202"], references::unknown_step),
    class("an output of an unknown step", &["LB0202"], references::output_of_nobody),
    class("a call of an unknown plan", &["LB0203"], references::unknown_plan),
    class("a call without its input", &["LB0204"], references::missing_input),
    class("an unknown input", &["LB0204"], references::unknown_input),
    class("a default of another type", &["LB0204"], references::ill_default),
    class("a service that is not there", &["LB0205"], kinds::not_there),
    class("a cut-over to nowhere", &["LB0205"], kinds::to_nowhere),
    class("a schedule on no member", &["LB0205"], kinds::no_member),
    class("a server that is not on a member", &["LB0205"], kinds::server_elsewhere),
    class("a pool member under another region", &["LB0205"], kinds::other_region),
    class("one of several members", &["LB0206"], kinds::several_members),
    class("a service named as a source", &["LB0206"], kinds::two_meanings),
    class("no stand-in", &["LB0207"], kinds::no_stand_in),
    class("files promoted or fenced", &["LB0208"], kinds::files_as_database),
    class("a class for a folder", &["LB0208"], kinds::class_of_folder),
    class("files with a server", &["LB0208"], kinds::files_with_server),
    class("a live stand-in", &["LB0208"], kinds::live_stand_in),
    class("plans in a circle", &["LB0209"], references::circle),
    class("an unknown output", &["LB0210"], references::unknown_output),
    class("a stand-in for itself", &["LB0220"], kinds::own_stand_in),
    class("steps in a circle", &["LB0301"], references::cycle),
    class("needs in a circle", &["LB0301"], references::needs_cycle),
    class("no fence before a promotion", &["LB0302"], fences::no_fence),
    class("a fence after the promotion", &["LB0302"], fences::late_fence),
    class("a fence beside the promotion", &["LB0302"], fences::fence_beside),
    class("a fence that may fail", &["LB0302"], fences::fence_may_fail),
    class("a fence in drills only", &["LB0302"], fences::fence_in_drills),
    class("a fence of another source", &["LB0302"], fences::fence_of_other),
    class("a fence that is lifted", &["LB0302", "LB0323"], fences::fence_lifted),
    class("no check before a cut-over", &["LB0303"], cutovers::no_check),
    class("a check beside the cut-over", &["LB0303"], cutovers::check_beside),
    class("a check of another region", &["LB0303"], cutovers::check_elsewhere),
    class("a check before the start", &["LB0303"], cutovers::check_before_start),
    class("a check that may fail", &["LB0303"], cutovers::check_may_fail),
    class("a start after the cut-over", &["LB0304"], cutovers::start_after_cutover),
    class("weak evidence without a risk", &["LB0305"], fences::no_risk),
    class("evidence that is to come", &["LB0306"], fences::later_evidence),
    class("a swap of nothing restored", &["LB0307"], data::unrestored),
    class("a swap of another copy", &["LB0307"], data::other_copy),
    class("a swap beside its restore", &["LB0307"], data::swap_beside),
    class("writers that nobody holds", &["LB0308"], data::writers_run),
    class("writers held on one host", &["LB0308"], data::writers_run_there),
    class("writers started too soon", &["LB0308"], data::writers_again),
    class("a start beside the promotion", &["LB0309"], order::start_beside),
    class("a start beside what it needs", &["LB0309"], order::start_before_need),
    class("scaled beside the promotion", &["LB0309"], order::scaled_beside),
    class("deployed beside what needs it", &["LB0309"], order::deployed_beside),
    class("a stack applied from a lost host", &["LB0310"], domains::lost_applier),
    class("work for a lost host", &["LB0310"], domains::lost_host),
    class("a cut-over to a lost region", &["LB0310"], domains::lost_target),
    class("a lost repository", &["LB0311"], domains::repository),
    class("lost controllers", &["LB0312"], domains::controllers),
    class("a lost channel", &["LB0313"], domains::channel),
    class("a lost DNS server", &["LB0313"], domains::server),
    class("a retry of an unsafe step", &["LB0314"], order::unsafe_retry),
    class("a service twice at once", &["LB0315"], order::service_at_once),
    class("a source twice at once", &["LB0315"], order::source_at_once),
    class("a record or pool twice at once", &["LB0315"], order::record_at_once),
    class("undo none of no return", &["LB0316"], order::undo_none),
    class("a promotion of what is fenced", &["LB0317"], fences::fenced_itself),
    class("a server beside others", &["LB0318"], added::second_primary),
    class("a restore over live data", &["LB0319"], data::over_live),
    class("a suspect asked", &["LB0320"], domains::suspect_asked),
    class("a suspect's word as evidence", &["LB0320"], domains::suspect_evidence),
    class("an output before its step", &["LB0321"], order::early_output),
    class("a rollback to a moving name", &["LB0322"], order::moving_version),
    class("a swap beside a lost copy", &["LB0323"], data::second_copy),
    class("a rollback of two members", &["LB0323"], data::two_rollbacks),
    class("two members promoted", &["LB0323"], fences::two_promoted),
    class("half of a region fenced", &["LB0323"], fences::half_fenced),
    class("a fenced server started again", &["LB0323"], fences::fenced_started),
    class("a step on a host to come", &["LB0324"], order::early_host),
    class("a restore before its server", &["LB0324"], data::early_server),
    class("a restore on a stopped server", &["LB0324"], added::stopped_server),
    class("data dropped unproven", &["LB0325"], data::unproven_drop),
    class("the last server stopped", &["LB0326"], added::last_copy),
    class("evidence too late", &["LB0327"], data::late_evidence),
    class("a rollback to today", &["LB0328"], data::rollback_to_now),
    class("a rollback to the newest", &["LB0329"], data::rollback_to_newest),
    class("many hosts without a bound", &["LB0330"], added::unbounded),
    class("a fan-out of a fence", &["LB0127"], parts::fan_out_of_all),
    class("objects removed by age", &["LB0340"], estate::by_age),
    class("a script without a digest", &["LB0341"], estate::unpinned),
    class("a person without a contact", &["LB0342"], estate::unlisted),
    class("backups that stay near", &["LB0343"], estate::only_near),
    class("a lost journal", &["LB0350"], domains::journal),
    class("a lost secret", &["LB0351"], domains::secret),
    class("a lost secret that is rotated", &["LB0351"], domains::rotated_secret),
    class("a stack with a lost state", &["LB0352"], domains::state),
    class("a lost balancer", &["LB0352"], domains::balancer),
    class("people out of reach", &["LB0353"], domains::people),
    class("lost witnesses", &["LB0354"], domains::witness),
    class("a point from after the suspicion", &["LB0355"], domains::suspect_point),
    class("no way back", &["LB0356"], domains::no_way_back),
    class("steps longer than the RTO", &["LB0401"], promises::slow_path),
    class("questions longer than the RTO", &["LB0402"], promises::long_waits),
    class("an RTO above the source's", &["LB0403"], promises::looser),
    class("a service before what it needs", &["LB0403"], promises::service_before),
    class("longer than its time-out", &["LB0404"], promises::slow_step),
    class("a schedule too rare for the RPO", &["LB0411"], promises::rare),
    class("backups too slow for the RPO", &["LB0411"], promises::slow_backup),
    class("no schedule for the RPO", &["LB0412"], promises::no_schedule),
    class("backups in their own region", &["LB0413"], promises::no_survivor),
    class("kept shorter than the gap", &["LB0414"], promises::short_keep),
    class("kept shorter than detection", &["LB0414"], promises::undetected),
    class("no proofs for the claim", &["LB0415"], promises::no_proofs),
    class("proofs too rare for the claim", &["LB0415"], promises::rare_proofs),
];

/// Codes that no class produces, and why.
pub static NO_CLASS: &[(&str, &str)] = &[
    ("LB0125", "no defect: a kind whose job is still to come; every case that is not ready has some"),
    ("LB0128", "no defect: a step whose job is still to come; every case that is not ready has some"),
    ("LB0361", LATER_THAN_THESE),
    ("LB0362", LATER_THAN_THESE),
    ("LB0363", LATER_THAN_THESE),
    ("LB0364", LATER_THAN_THESE),
    ("LB0365", LATER_THAN_THESE),
    ("LB0370", LATER_THAN_THESE),
    ("LB0371", LATER_THAN_THESE),
    ("LB0372", LATER_THAN_THESE),
    ("LB0373", LATER_THAN_THESE),
    ("LB0422", LATER_THAN_THESE),
    ("LB0423", LATER_THAN_THESE),
    ("LB0450", "no class yet: no random plan asks for several approvals; its cases are below testdata/rules"),
];

/// Why there is no class for it.
const LATER_THAN_THESE: &str =
    "no class yet: learnt from the documents of real teams, with cases below testdata/rules";
