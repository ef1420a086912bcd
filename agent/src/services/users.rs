//! Users and groups from /etc/passwd and /etc/group.

use model::Problem;

/// A user that a process can run as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Supplementary group ids, the primary one not among them.
    pub groups: Vec<u32>,
    /// Home folder.
    pub home: String,
}

/// Looks a user up on this host.
pub fn look_up(name: &str) -> Result<User, Problem> {
    let read = |path: &str| {
        std::fs::read_to_string(path).map_err(|error| {
            Problem::new("LB2403", format!("cannot read {path}"), "Mend the host's user database.")
                .caused_by(&error)
        })
    };
    find(name, &read("/etc/passwd")?, &read("/etc/group")?).ok_or_else(|| {
        Problem::new(
            "LB2403",
            format!("there is no user {name} in /etc/passwd"),
            "Create the user on this host, or name another one in the estate.",
        )
    })
}

fn find(name: &str, passwd: &str, group: &str) -> Option<User> {
    let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
    let fields: Vec<&str> = line.split(':').collect();
    let gid = fields.get(3)?.parse().ok()?;
    let groups = group
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let member = fields.get(3)?.split(',').any(|member| member == name);
            member.then(|| fields.get(2)?.parse().ok()).flatten()
        })
        .filter(|one| *one != gid)
        .collect();
    Some(User {
        uid: fields.get(2)?.parse().ok()?,
        gid,
        groups,
        home: fields.get(5).unwrap_or(&"/").to_string(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_user_is_found_with_its_groups() {
        let passwd = "root:x:0:0::/root:/bin/sh\npostgres:x:105:113::/var/lib/postgresql:/bin/bash\n";
        let group = "root:x:0:\nssl-cert:x:112:www,postgres\npostgres:x:113:postgres\n";
        let user = find("postgres", passwd, group).unwrap();
        assert_eq!((user.uid, user.gid, user.groups), (105, 113, vec![112]));
        assert!(find("post", passwd, group).is_none());
    }
}
