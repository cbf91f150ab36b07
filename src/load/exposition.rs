//! The two text forms of metrics, and which of them a scraper asks for: OpenMetrics 1.0,
//! or the older text format of Prometheus, 0.0.4.
//!
//! Invariant: both tell the same samples.

use std::cmp::Ordering;

/// A text form of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exposition {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus text 0.0.4.
    Plain,
}

/// How well one range of `Accept` fits, and the weight that it gives.
type Fit = (u8, f32);

impl Exposition {
    /// The form that the values of `Accept` prefer; where they prefer none, OpenMetrics.
    #[must_use]
    pub(super) fn asked_by(accept: &[&str]) -> Self {
        let weight = |exposition: Self| {
            let ranges = accept.iter().flat_map(|value| value.split(','));
            let fits = ranges.filter_map(|range| exposition.fit(range));
            let best = fits.max_by(|a, b| a.partial_cmp(b).unwrap_or(Ordering::Equal));
            best.map_or(0.0, |(_, weight)| weight)
        };
        if weight(Self::Plain) > weight(Self::OpenMetrics) {
            Self::Plain
        } else {
            Self::OpenMetrics
        }
    }

    /// A range that names the type counts before one that names a part of it.
    fn fit(self, range: &str) -> Option<Fit> {
        let (main, sub, version) = match self {
            Self::OpenMetrics => ("application", "openmetrics-text", "1.0.0"),
            Self::Plain => ("text", "plain", "0.0.4"),
        };
        let mut parts = range.split(';').map(str::trim);
        let named = parts.next()?.to_ascii_lowercase();
        let closeness = match named.split_once('/')? {
            (m, s) if m == main && s == sub => 2,
            (m, "*") if m == main => 1,
            ("*", "*") => 0,
            _ => return None,
        };
        let mut weight = 1.0;
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "q" => weight = value.parse().ok().filter(|q| (0.0..=1.0).contains(q))?,
                "version" if closeness == 2 && value != version => return None,
                _ => {}
            }
        }
        Some((closeness, weight))
    }

    /// Its `Content-Type`.
    #[must_use]
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Plain => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// This form of a text of OpenMetrics.
    #[must_use]
    pub(super) fn render(self, openmetrics: String) -> String {
        match self {
            Self::OpenMetrics => openmetrics,
            Self::Plain => plain(&openmetrics),
        }
    }
}

/// In the older format a counter is named as its samples are, with `_total`, and there
/// are neither units nor an end.
fn plain(openmetrics: &str) -> String {
    let mut text = String::with_capacity(openmetrics.len());
    let mut help = None;
    for line in openmetrics.lines() {
        if let Some(of) = line.strip_prefix("# HELP ") {
            help = of.split_once(' ');
        } else if let Some(of) = line.strip_prefix("# TYPE ") {
            let (name, kind) = of.split_once(' ').unwrap_or((of, "untyped"));
            let suffix = if kind == "counter" { "_total" } else { "" };
            if let Some((_, said)) = help.take() {
                text.push_str(&format!("# HELP {name}{suffix} {said}\n"));
            }
            text.push_str(&format!("# TYPE {name}{suffix} {kind}\n"));
        } else if !line.starts_with('#') {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Exposition, plain};

    #[test]
    fn the_form_is_the_one_that_weighs_most_and_else_openmetrics() {
        let of = |accept: &str| Exposition::asked_by(&[accept]);
        for accept in [
            "",
            "*/*",
            "application/json",
            "application/openmetrics-text",
            "text/plain, application/openmetrics-text",
            // Prometheus 2 and 3, as they send it.
            "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;\
             version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
             application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;\
             escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
            "text/plain;version=1.0.0",
            "text/plain;q=nonsense",
            "*/*;q=0.1, text/plain;q=0",
        ] {
            assert_eq!(of(accept), Exposition::OpenMetrics, "{accept}");
        }
        for accept in [
            "text/plain",
            "TEXT/Plain; Version=0.0.4; charset=utf-8",
            "text/*",
            "application/openmetrics-text;q=0.3, text/plain;q=0.4",
            "application/openmetrics-text;version=2.0.0, text/plain;q=0.1",
            "application/openmetrics-text;q=0, */*;q=0.1",
            // What Prometheus sends when it is told to scrape by PrometheusText0.0.4.
            "text/plain;version=0.0.4;q=0.5,*/*;q=0.4",
        ] {
            assert_eq!(of(accept), Exposition::Plain, "{accept}");
        }
        let two = ["application/openmetrics-text;q=0.1", "text/plain;q=0.2"];
        assert_eq!(Exposition::asked_by(&two), Exposition::Plain);
    }

    #[test]
    fn the_older_format_names_counters_as_their_samples() {
        let openmetrics = "# HELP a_b Said.\n# TYPE a_b counter\n# UNIT a_b b\n\
                           a_b_total{reason=\"x\"} 1\n# HELP c C.\n# TYPE c gauge\nc 2\n# EOF\n";
        assert_eq!(
            plain(openmetrics),
            "# HELP a_b_total Said.\n# TYPE a_b_total counter\na_b_total{reason=\"x\"} 1\n\
             # HELP c C.\n# TYPE c gauge\nc 2\n"
        );
    }
}
