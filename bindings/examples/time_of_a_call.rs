//! `time_of_a_call URL CA`: the median time of a new key in Rust, beside which the tests of Kotlin and Swift print theirs.

use std::time::Instant;

use skip_client::Client;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, ca] = arguments.as_slice() else {
        return Err("usage: time_of_a_call URL CA".into());
    };
    let kp = Client::builder(url)?.ca_pem(std::fs::read(ca)?).build()?;
    let bob = "Bob".parse()?;
    let mut times = Vec::with_capacity(1000);
    for turn in 0..1300 {
        let start = Instant::now();
        drop(kp.new_key(&bob)?);
        if turn >= 300 {
            times.push(start.elapsed());
        }
    }
    times.sort();
    println!("median time of new_key: {:?}", times[times.len() / 2]);
    Ok(())
}
