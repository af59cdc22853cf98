//! Which renditions a video gets: pure, as data.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

/// Heights of a media type that names none.
pub const HEIGHTS: [u32; 5] = [144, 360, 480, 720, 1080];
/// Width of both thumbnails in pixels.
pub const THUMBNAIL_WIDTH: u32 = 256;
/// Pictures from one random access point of a streaming rendition to the next.
pub const GOP: u32 = 25;

/// A video encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// H.264.
    H264,
    /// H.265.
    Hevc,
    /// AV1.
    Av1,
}

impl Codec {
    /// As configurations and records spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::H264 => "h264",
            Self::Hevc => "hevc",
            Self::Av1 => "av1",
        }
    }

    /// What is used where a configuration leaves the preset open.
    fn preset(self) -> &'static str {
        match self {
            Self::H264 | Self::Hevc => "fast",
            Self::Av1 => "5",
        }
    }
}

/// How pictures are encoded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encoding {
    /// Height in pixels; none keeps the source's.
    pub height: Option<u32>,
    /// The encoder.
    pub codec: Codec,
    /// Constant rate factor; smaller is better and larger.
    pub crf: u8,
    /// The encoder's preset.
    pub preset: String,
    /// The encoder's tuning, if any.
    pub tune: Option<String>,
    /// Pixel format, as libav names it.
    pub pixel_format: String,
}

/// One file to be made of a video.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rendition {
    /// For playing: fragmented, with a segment file.
    Streaming(Encoding),
    /// For jumping around in: as the one for playing, with random access every so many pictures.
    Proxy(Encoding, u32),
    /// The pictures as they are, in a container that is read without detours.
    Remux,
    /// For keeping, in place of the original.
    Archival(Encoding),
    /// The sound.
    Audio,
    /// A small picture.
    Thumbnail,
    /// A small animation.
    ThumbnailGif,
}

impl Rendition {
    /// The role in `media_files`.
    pub fn role(&self) -> &'static str {
        match self {
            Self::Streaming(_) | Self::Proxy(..) | Self::Remux => "streaming",
            Self::Archival(_) => "archival",
            Self::Audio => "audio",
            Self::Thumbnail => "thumbnail",
            Self::ThumbnailGif => "thumbnail_gif",
        }
    }

    /// A name that tells it from the others of its media, with the ending of its container.
    pub fn file_name(&self) -> String {
        match self {
            Self::Streaming(how) => {
                let height = how
                    .height
                    .map_or("source".into(), |height| height.to_string());
                match how.codec {
                    Codec::H264 => format!("{height}.mp4"),
                    codec => format!("{height}_{}.mp4", codec.name()),
                }
            }
            Self::Proxy(how, _) => {
                let height = how.height.unwrap_or_default();
                format!("proxy_{height}.mp4")
            }
            Self::Remux => "remux.mp4".into(),
            Self::Archival(how) => format!("archival_{}_{}.mp4", how.codec.name(), how.crf),
            Self::Audio => "audio.m4a".into(),
            Self::Thumbnail => "thumbnail.jpg".into(),
            Self::ThumbnailGif => "thumbnail_gif.gif".into(),
        }
    }
}

/// What a media type wants of its videos.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Config {
    /// Entries of `streaming_config`; empty for the defaults.
    #[serde(default)]
    streaming_config: Option<Vec<Resolution>>,
    /// Entries of `archive_config`; empty keeps the original.
    #[serde(default)]
    archive_config: Option<Vec<Archive>>,
}

impl Config {
    /// The same without archival copies.
    pub fn without_copies(self) -> Self {
        Self {
            archive_config: None,
            ..self
        }
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Resolution {
    #[serde(default = "h264")]
    vcodec: String,
    #[serde(default = "crf")]
    crf: f64,
    #[serde(default)]
    resolution: f64,
    #[serde(default)]
    preset: String,
    #[serde(default = "yuv420p")]
    pixel_format: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Archive {
    encode: Encode,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Encode {
    #[serde(default = "hevc")]
    vcodec: String,
    #[serde(default = "crf")]
    crf: f64,
    #[serde(default = "fast")]
    preset: String,
    #[serde(default = "fastdecode")]
    tune: String,
    #[serde(default = "yuv420p")]
    pixel_format: String,
}

fn h264() -> String {
    "h264".into()
}

fn hevc() -> String {
    "hevc".into()
}

fn crf() -> f64 {
    23.0
}

fn fast() -> String {
    "fast".into()
}

fn fastdecode() -> String {
    "fastdecode".into()
}

fn yuv420p() -> String {
    "yuv420p".into()
}

/// What is there of a video already.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Present {
    /// Height and codec of every streaming rendition.
    pub streaming: Vec<(u32, String)>,
    /// Codec of every archival copy that is not the original.
    pub archival: Vec<String>,
    /// Whether there is a sound file.
    pub audio: bool,
    /// Whether there is a thumbnail.
    pub thumbnail: bool,
    /// Whether there is an animated thumbnail.
    pub thumbnail_gif: bool,
}

impl Present {
    /// Reads `media_files`; `original` is the key of the file as it was uploaded.
    pub fn of(files: Option<&Map<String, Json>>, original: &str) -> Self {
        let records = |role: &str| {
            let list = files.and_then(|files| files.get(role));
            list.and_then(Json::as_array).cloned().unwrap_or_default()
        };
        let codec = |record: &Json| record["codec"].as_str().unwrap_or_default().to_owned();
        let streaming = records("streaming").into_iter().map(|record| {
            let height = record["resolution"][0].as_u64().unwrap_or_default();
            (u32::try_from(height).unwrap_or_default(), codec(&record))
        });
        let copies = records("archival");
        let copies = copies.iter().filter(|copy| copy["path"] != original);
        Self {
            streaming: streaming.collect(),
            archival: copies.map(codec).collect(),
            audio: !records("audio").is_empty(),
            thumbnail: !records("thumbnail").is_empty(),
            thumbnail_gif: !records("thumbnail_gif").is_empty(),
        }
    }

    fn has(&self, height: u32, codec: Codec) -> bool {
        // Encoders take even heights only.
        let even = [height / 2 * 2, height.div_ceil(2) * 2];
        let same = |(there, name): &(u32, String)| {
            (even.contains(there) || *there == height) && name == codec.name()
        };
        self.streaming.iter().any(same)
    }
}

/// What is to be made of one video.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// What is missing, in the order in which it is recorded.
    pub renditions: Vec<Rendition>,
    /// Whether the original stays among the archival copies.
    pub keeps_original: bool,
    /// Whether the configuration names the original (`vcodec: copy`), which then says that it plays.
    pub names_original: bool,
}

/// Decides what is missing of a video: its streaming renditions in the order of the configuration
/// (the source's own height last, where it is below the largest configured one and not named),
/// archival copies, sound, thumbnails.
///
/// Every rendition has exactly the pictures of the source's frame index: nothing is appended to
/// them, so that the number of frames of a media is the number of pictures in its file.
///
/// ```
/// use transect::transcode::recipe::{Config, Present, recipe};
///
/// let made = recipe(&Config::default(), &Present::default(), 720, true);
/// let names: Vec<String> = made.renditions.iter().map(|one| one.file_name()).collect();
/// assert_eq!(names, ["144.mp4", "360.mp4", "480.mp4", "720.mp4", "audio.m4a", "thumbnail.jpg", "thumbnail_gif.gif"]);
/// assert!(made.keeps_original);
/// ```
pub fn recipe(config: &Config, present: &Present, height: u32, audio: bool) -> Recipe {
    let mut renditions: Vec<Rendition> = Vec::new();
    for how in streams(config, height) {
        let wanted = Rendition::Streaming(how.clone());
        let there = present.has(how.height.unwrap_or(height), how.codec);
        let twice = renditions.iter().any(|other| match other {
            Rendition::Streaming(other) => (other.height, other.codec) == (how.height, how.codec),
            _ => false,
        });
        if !there && !twice {
            renditions.push(wanted);
        }
    }
    let copies = config.archive_config.as_deref().unwrap_or_default();
    let (encoded, kept): (Vec<_>, Vec<_>) = copies
        .iter()
        .map(|copy| codec(&copy.encode.vcodec).map(|codec| copy_of(&copy.encode, codec)))
        .partition(Option::is_some);
    let keeps_original = encoded.is_empty() || !kept.is_empty();
    let names_original = !kept.is_empty();
    for how in encoded.into_iter().flatten() {
        let there = present.archival.iter().any(|name| name == how.codec.name());
        let wanted = Rendition::Archival(how);
        if !there && !renditions.contains(&wanted) {
            renditions.push(wanted);
        }
    }
    let rest = [
        (audio && !present.audio, Rendition::Audio),
        (!present.thumbnail, Rendition::Thumbnail),
        (!present.thumbnail_gif, Rendition::ThumbnailGif),
    ];
    renditions.extend(
        rest.into_iter()
            .filter(|(wanted, _)| *wanted)
            .map(|(_, one)| one),
    );
    Recipe {
        renditions,
        keeps_original,
        names_original,
    }
}

/// Every streaming rendition of a video of this height.
fn streams(config: &Config, height: u32) -> Vec<Encoding> {
    let configured = config.streaming_config.clone().unwrap_or_default();
    let mut all: Vec<(u32, Encoding)> = configured.iter().filter_map(stream_of).collect();
    if all.is_empty() {
        all = HEIGHTS
            .map(|height| (height, default_stream(height)))
            .into();
    }
    let above = all.iter().filter(|(of, _)| *of > height);
    let nearest = above.min_by_key(|(of, _)| *of).map(|(_, how)| how.clone());
    let named = all.iter().any(|(of, _)| *of == height);
    let mut wanted: Vec<Encoding> = all
        .into_iter()
        .filter(|(of, _)| *of <= height)
        .map(|(_, how)| how)
        .collect();
    if let (Some(how), false) = (nearest, named) {
        wanted.push(Encoding {
            height: Some(height),
            ..how
        });
    }
    wanted
}

fn default_stream(height: u32) -> Encoding {
    Encoding {
        height: Some(height),
        codec: Codec::H264,
        crf: 23,
        preset: Codec::H264.preset().into(),
        tune: Some(fastdecode()),
        pixel_format: yuv420p(),
    }
}

fn stream_of(config: &Resolution) -> Option<(u32, Encoding)> {
    let (codec, height) = (codec(&config.vcodec)?, config.resolution as u32);
    let preset = match config.preset.as_str() {
        "" => codec.preset().into(),
        named => named.to_owned(),
    };
    let how = Encoding {
        height: Some(height),
        codec,
        crf: config.crf as u8,
        preset,
        tune: Some(fastdecode()),
        pixel_format: config.pixel_format.clone(),
    };
    (height > 0).then_some((height, how))
}

fn copy_of(encode: &Encode, codec: Codec) -> Encoding {
    Encoding {
        height: None,
        codec,
        crf: encode.crf as u8,
        preset: encode.preset.clone(),
        tune: Some(encode.tune.clone()).filter(|tune| !tune.is_empty()),
        pixel_format: encode.pixel_format.clone(),
    }
}

/// None for `copy`, which encodes nothing.
fn codec(name: &str) -> Option<Codec> {
    [Codec::H264, Codec::Hevc, Codec::Av1]
        .into_iter()
        .find(|codec| codec.name() == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn config(value: Json) -> Config {
        serde_json::from_value(value).unwrap()
    }

    fn names(recipe: &Recipe) -> Vec<String> {
        recipe.renditions.iter().map(Rendition::file_name).collect()
    }

    fn heights(config: &Config, present: &Present, height: u32) -> Vec<u32> {
        let made = recipe(config, present, height, false);
        let height = |one: &Rendition| match one {
            Rendition::Streaming(how) => how.height,
            _ => None,
        };
        made.renditions.iter().filter_map(height).collect()
    }

    #[test]
    fn default_heights_end_at_the_source() {
        let none = Present::default();
        let of = |height| heights(&Config::default(), &none, height);
        assert_eq!(of(720), [144, 360, 480, 720]);
        assert_eq!(of(1080), HEIGHTS);
        assert_eq!(of(2160), HEIGHTS);
        assert_eq!(of(600), [144, 360, 480, 600]);
        assert_eq!(of(144), [144]);
        assert_eq!(of(96), [96]);
        assert_eq!(of(2161), HEIGHTS);
    }

    #[test]
    fn what_is_there_is_not_made_again() {
        let files = json!({
            "streaming": [{"path": "1/2/3/a", "resolution": [144, 256], "codec": "h264"},
                          {"path": "1/2/3/b", "resolution": [480, 854], "codec": "av1"}],
            "archival": [{"path": "1/2/3/original", "codec": "h264"}],
            "audio": [{"path": "1/2/3/c"}], "thumbnail": [{"path": "1/2/3/d"}],
        });
        let present = Present::of(files.as_object(), "1/2/3/original");
        assert_eq!(present.archival, Vec::<String>::new());
        let made = recipe(&Config::default(), &present, 480, true);
        assert_eq!(names(&made), ["360.mp4", "480.mp4", "thumbnail_gif.gif"]);
        assert_eq!(Present::of(None, ""), Present::default());
    }

    #[test]
    fn an_odd_height_is_there_when_its_even_neighbour_is() {
        for made in [240, 241, 242] {
            let present = Present {
                streaming: vec![(144, "h264".into()), (made, "h264".into())],
                ..Present::default()
            };
            assert!(heights(&Config::default(), &present, 241).is_empty());
        }
    }

    #[test]
    fn configured_streams_keep_their_order_and_settings() {
        let wanted = config(json!({"streaming_config": [
            {"resolution": 480, "crf": 30, "vcodec": "av1"},
            {"resolution": 360, "crf": 20.0, "preset": "slow", "pixel_format": "yuv444p"},
            {"resolution": 360, "crf": 20.0},
            {"resolution": 2000, "vcodec": "av1", "crf": 40}, {"resolution": 4000}, {"resolution": 0}]}));
        let made = recipe(&wanted, &Present::default(), 1080, false);
        assert_eq!(
            names(&made)[..3],
            ["480_av1.mp4", "360.mp4", "1080_av1.mp4"]
        );
        let Rendition::Streaming(how) = &made.renditions[1] else {
            panic!("{made:?}")
        };
        let seen = (how.crf, how.preset.as_str(), how.pixel_format.as_str());
        assert_eq!(seen, (20, "slow", "yuv444p"));
        let Rendition::Streaming(how) = &made.renditions[2] else {
            panic!("{made:?}")
        };
        assert_eq!((how.crf, how.preset.as_str()), (40, "5"));
    }

    #[test]
    fn archives_are_the_original_unless_they_are_encoded() {
        let archives = |copies: Json| {
            let made = recipe(
                &config(json!({"archive_config": copies})),
                &Present::default(),
                100,
                false,
            );
            let copies = names(&made)
                .into_iter()
                .filter(|name| name.starts_with("archival"));
            (copies.collect::<Vec<_>>(), made.keeps_original)
        };
        let none: Vec<String> = Vec::new();
        assert_eq!(archives(json!(null)), (none.clone(), true));
        assert_eq!(archives(json!([])), (none.clone(), true));
        let copy = json!({"encode": {"vcodec": "copy"}});
        assert_eq!(archives(json!([copy])), (none, true));
        let encode = json!({"encode": {}});
        assert_eq!(
            archives(json!([encode])),
            (vec!["archival_hevc_23.mp4".into()], false)
        );
        assert_eq!(
            archives(json!([encode, copy])),
            (vec!["archival_hevc_23.mp4".into()], true)
        );
    }
}
