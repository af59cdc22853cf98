//! A running station: its data folder and lock, its listener, its control socket.
