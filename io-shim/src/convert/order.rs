//! What to convert and how: the words of the query, and ffmpeg's arguments for them.

use super::ffmpeg::Ffmpeg;

/// The latest start, seconds: no film is longer than a hundred hours.
const LATEST_S: f64 = 360_000.0;
/// Most tracks.
const TRACKS: u32 = 64;
/// Allowed formats, by the names of ffmpeg's demuxers. No format is allowed that names further
/// addresses, as playlists do.
const FORMATS: &str = "avi,matroska,webm,mov,mp4,m4a,mpegts,mpeg,mpegvideo,flv,asf,ogg,rm,wav,\
    mp3,aac,ac3,\
    eac3,dts,truehd,flac,h264,hevc,m4v,vc1,ivf,nut,wtv,mxf,dv,ape,tta,wv";

/// What happens to the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Video {
    /// It stays as it is.
    Copy,
    /// It is encoded as H.264.
    Encode,
}

/// One conversion.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Order {
    /// The start, seconds into the film.
    pub(super) start_s: f64,
    pub(super) video: Video,
    /// The number of the audio track.
    pub(super) audio: u32,
}

impl Order {
    /// Reads the words of the query.
    ///
    /// # Errors
    /// A phrase for a person.
    pub(crate) fn parse<'a>(value: impl Fn(&str) -> Option<&'a str>) -> Result<Self, &'static str> {
        let start_s = value("start").map_or(Ok(0.0), str::parse::<f64>);
        let start_s =
            start_s.ok().filter(|start| start.is_finite() && (0.0..=LATEST_S).contains(start));
        let video = match value("video") {
            Some("copy") => Video::Copy,
            Some("h264") | None => Video::Encode,
            Some(_) => return Err("video is copy or h264"),
        };
        let audio =
            value("audio").map_or(Ok(0), str::parse::<u32>).ok().filter(|track| *track < TRACKS);
        Ok(Self {
            start_s: start_s.ok_or("start is a number of seconds")?,
            video,
            audio: audio.ok_or("audio is the number of a track, from 0")?,
        })
    }

    /// ffmpeg's arguments. They allow HTTP to `source` only: no local file, and no format that
    /// names further addresses.
    ///
    /// # Errors
    /// A phrase for a person: why this ffmpeg cannot do it.
    pub(super) fn args(&self, ffmpeg: &Ffmpeg, source: &str) -> Result<Vec<String>, &'static str> {
        let mut args: Vec<String> = Vec::new();
        let mut add = |words: &[&str]| args.extend(words.iter().map(|word| (*word).to_owned()));
        add(&["-hide_banner", "-nostdin", "-loglevel", "error"]);
        add(&["-protocol_whitelist", "http,tcp", "-format_whitelist", FORMATS]);
        if self.start_s > 0.0 {
            add(&["-ss", &format!("{:.3}", self.start_s)]);
        }
        add(&["-i", source, "-map", "0:v:0?", "-map", &format!("0:a:{}?", self.audio)]);
        add(&["-sn", "-dn", "-map_metadata", "-1", "-map_chapters", "-1"]);
        match self.video {
            Video::Copy => add(&["-c:v", "copy"]),
            Video::Encode => {
                let encoder = ffmpeg.video.ok_or("This ffmpeg has no encoder for H.264.")?;
                add(&[
                    "-c:v",
                    encoder,
                    "-g",
                    "48",
                    "-pix_fmt",
                    "yuv420p",
                    "-vf",
                    "scale=-2:'min(1080,ih)'",
                ]);
                if encoder == "libx264" {
                    add(&["-preset", "ultrafast", "-crf", "23"]);
                } else {
                    add(&["-b:v", "6M"]);
                }
            }
        }
        add(&["-c:a", ffmpeg.sound, "-b:a", "192k", "-ac", "2", "-copyts"]);
        add(&[
            "-movflags",
            "delay_moov+default_base_moof+frag_discont",
            "-frag_duration",
            "500000",
        ]);
        add(&["-max_muxing_queue_size", "4096", "-f", "mp4", "pipe:1"]);
        Ok(args)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Result<Order, &'static str> {
        Order::parse(|name| {
            query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
        })
    }

    #[test]
    fn a_query_becomes_an_order() {
        let whole = Order { start_s: 0.0, video: Video::Encode, audio: 0 };
        assert_eq!(parse(""), Ok(whole));
        assert_eq!(
            parse("key=x&start=12.5&video=copy&audio=2"),
            Ok(Order { start_s: 12.5, video: Video::Copy, audio: 2 })
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for query in [
            "start=-1",
            "start=NaN",
            "start=inf",
            "start=x",
            "start=1e9",
            "video=hevc",
            "audio=-1",
            "audio=64",
        ] {
            assert!(parse(query).is_err(), "{query}");
        }
    }

    #[test]
    fn nothing_of_a_query_becomes_an_argument_of_its_own() {
        let ffmpeg = Ffmpeg {
            program: "ffmpeg".into(),
            version: "5.1".into(),
            video: Some("libx264"),
            sound: "aac",
        };
        let args = parse("start=3&video=copy&audio=1")
            .unwrap()
            .args(&ffmpeg, "http://127.0.0.1:1/stream/x")
            .unwrap();
        let inputs: Vec<_> =
            args.windows(2).filter(|pair| pair[0] == "-i").map(|pair| pair[1].as_str()).collect();
        assert_eq!(inputs, ["http://127.0.0.1:1/stream/x"]);
        assert!(
            args.windows(2).any(|pair| pair[0] == "-protocol_whitelist" && pair[1] == "http,tcp")
        );
        assert!(
            !args
                .iter()
                .any(|arg| arg.contains("hls") || arg.contains("concat") || arg.contains("file"))
        );
        let without = Ffmpeg { video: None, ..ffmpeg };
        assert!(parse("video=h264").unwrap().args(&without, "http://x").is_err());
    }
}
