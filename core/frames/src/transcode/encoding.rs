//! What each encoder has to be told.

use transect_frame_client::{Fraction, VideoCodec, WorkerError};

use crate::libav::Setting;

/// How a stream is coded.
#[derive(Debug, Clone, PartialEq)]
pub struct Encoding {
    pub codec: VideoCodec,
    pub crf: u8,
    pub preset: String,
    pub tune: Option<String>,
    pub gop: u32,
}

/// Encoders know no rates beyond these, in pictures per second. Times do not depend on it.
const RATES: std::ops::RangeInclusive<f64> = 1.0..=240.0;

/// Names of x264's presets, and the numbers that come nearest in SVT-AV1.
const AV1_PRESETS: [(&str, u8); 9] = [
    ("ultrafast", 12),
    ("superfast", 11),
    ("veryfast", 10),
    ("faster", 9),
    ("fast", 8),
    ("medium", 7),
    ("slow", 5),
    ("slower", 4),
    ("veryslow", 3),
];

impl Encoding {
    /// The encoder's name in libav.
    pub fn encoder(&self) -> &'static str {
        match self.codec {
            VideoCodec::H264 => "libx264",
            VideoCodec::Hevc => "libx265",
            VideoCodec::Av1 => "libsvtav1",
        }
    }

    /// The encoder's options: groups are closed, and as long as asked for whatever the pictures show. It uses so many threads,
    /// or as many as it thinks good for this machine.
    ///
    /// Errors: `Invalid` for a quality, preset or tuning that the encoder lacks.
    pub fn setting(
        &self,
        rate: Option<Fraction>,
        pixel: Fraction,
        threads: Option<u32>,
    ) -> Result<Setting, WorkerError> {
        let highest = if self.codec == VideoCodec::Av1 {
            63
        } else {
            51
        };
        if self.crf > highest {
            let message = format!(
                "{} takes a crf from 0 to {highest}, not {}",
                self.encoder(),
                self.crf
            );
            return Err(WorkerError::Invalid { message });
        }
        if self.gop == 0 {
            return Err(WorkerError::Invalid {
                message: "a group of pictures has at least one".into(),
            });
        }
        let gop = self.gop;
        let mut options = vec![("crf", self.crf.to_string())];
        match self.codec {
            VideoCodec::H264 => {
                options.push(("preset", self.preset.clone()));
                options.extend(self.tune.clone().map(|tune| ("tune", tune)));
                options.push(("sc_threshold", "0".into()));
                options.push(("x264-params", "open-gop=0".into()));
            }
            VideoCodec::Hevc => {
                options.push(("preset", self.preset.clone()));
                options.extend(self.tune.clone().map(|tune| ("tune", tune)));
                let closed =
                    format!("log-level=none:open-gop=0:scenecut=0:keyint={gop}:min-keyint={gop}");
                options.push(("x265-params", closed));
            }
            VideoCodec::Av1 => {
                options.push(("preset", self.av1_preset()?));
                let mut parameters = Vec::new();
                if self.av1_decodes_fast()? {
                    parameters.push("fast-decode=1".to_owned());
                }
                // It takes no other word for threads.
                parameters.extend(threads.map(|threads| format!("lp={threads}")));
                if !parameters.is_empty() {
                    options.push(("svtav1-params", parameters.join(":")));
                }
            }
        }
        Ok(Setting {
            options,
            rate: Some(known(rate)),
            threads: Some(threads.unwrap_or(0)),
            gop: Some(gop),
            sample_aspect_ratio: Some(pixel),
            ..Setting::default()
        })
    }

    fn av1_preset(&self) -> Result<String, WorkerError> {
        let by_name = AV1_PRESETS.iter().find(|(name, _)| *name == self.preset);
        let number = by_name
            .map(|&(_, number)| number)
            .or_else(|| self.preset.parse().ok())
            .filter(|&number| number <= 13)
            .ok_or_else(|| WorkerError::Invalid {
                message: format!(
                    "libsvtav1 takes a preset from 0 to 13 or a name as x264 has them, not {}",
                    self.preset
                ),
            })?;
        Ok(number.to_string())
    }

    fn av1_decodes_fast(&self) -> Result<bool, WorkerError> {
        match self.tune.as_deref() {
            None => Ok(false),
            Some("fastdecode") => Ok(true),
            Some(other) => Err(WorkerError::Invalid {
                message: format!("libsvtav1 only has the tuning fastdecode, not {other}"),
            }),
        }
    }

    /// What went wrong when the encoder refused the settings.
    pub fn refused(&self, error: &crate::libav::Error) -> WorkerError {
        let tune = self.tune.as_deref().unwrap_or("none");
        WorkerError::Invalid {
            message: format!(
                "{error} ({}, preset {}, tune {tune}, crf {})",
                self.encoder(),
                self.preset,
                self.crf
            ),
        }
    }
}

/// The rate that an encoder is told.
fn known(rate: Option<Fraction>) -> Fraction {
    let whole = |rate: f64| Fraction {
        num: rate as i64,
        den: 1,
    };
    match rate {
        None => whole(25.0),
        Some(rate) if rate.as_f64() < *RATES.start() => whole(*RATES.start()),
        Some(rate) if rate.as_f64() > *RATES.end() => whole(*RATES.end()),
        Some(rate) => rate,
    }
}

/// Size of an encoded picture in pixels: no higher than the source, in its proportions, and even.
pub fn size((width, height): (u32, u32), wanted: Option<u32>) -> (u32, u32) {
    let even = |pixels: f64| ((pixels / 2.0).round() as u32).max(1) * 2;
    match wanted.filter(|&wanted| wanted < height) {
        Some(wanted) => {
            let to = (wanted & !1).max(2);
            (
                even(f64::from(width) * f64::from(to) / f64::from(height)),
                to,
            )
        }
        None => ((width & !1).max(2), (height & !1).max(2)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn av1(preset: &str, tune: Option<&str>) -> Encoding {
        Encoding {
            codec: VideoCodec::Av1,
            crf: 30,
            preset: preset.into(),
            tune: tune.map(Into::into),
            gop: 25,
        }
    }

    #[test]
    fn sizes_are_even_and_never_larger() {
        let cases = [
            ((1920, 1080), Some(144), (256, 144)),
            ((1920, 1080), Some(720), (1280, 720)),
            ((1920, 1080), Some(2160), (1920, 1080)),
            ((1080, 1920), Some(720), (406, 720)),
            ((321, 241), None, (320, 240)),
            ((320, 240), Some(145), (192, 144)),
            ((1, 1), None, (2, 2)),
            ((4000, 2), Some(1), (4000, 2)),
        ];
        for (source, wanted, expected) in cases {
            assert_eq!(size(source, wanted), expected, "{source:?} {wanted:?}");
        }
    }

    #[test]
    fn tells_encoders_rates_that_they_know() {
        let fraction = |num, den| Fraction { num, den };
        for (rate, told) in [
            (Some(fraction(30000, 1001)), fraction(30000, 1001)),
            (Some(fraction(1, 60)), fraction(1, 1)),
            (Some(fraction(1000, 1)), fraction(240, 1)),
            (None, fraction(25, 1)),
        ] {
            assert_eq!(known(rate), told);
        }
    }

    #[test]
    fn names_av1_presets() {
        let one = Fraction { num: 1, den: 1 };
        let preset = |encoding: Encoding| {
            let options = encoding.setting(None, one, None)?.options;
            Ok::<_, WorkerError>(options.into_iter().find(|(key, _)| *key == "preset"))
        };
        assert_eq!(
            preset(av1("fast", Some("fastdecode"))),
            Ok(Some(("preset", "8".into())))
        );
        assert_eq!(preset(av1("4", None)), Ok(Some(("preset", "4".into()))));
        assert!(preset(av1("14", None)).is_err());
        assert!(preset(av1("fast", Some("film"))).is_err());
    }
}
