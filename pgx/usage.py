"""What ``--help`` prints where arguments are Hydra's, which no parser here knows."""

TRAIN_HELP = """\
Usage: pgx train [OVERRIDES]

Train one arm, all its seeds in one process; print the run directory and a table, a row per seed.

  pgx train                                         the defaults, in conf/train.yaml
  pgx train experiment=a2c seeds=10                 a preset, seeds 0 to 9
  pgx train experiment=a2c seeds='0-4' decisions=100000
  pgx train experiment=reinforce estimator=reward_to_go optimizer.learning_rate=0.01
  pgx train experiment=a2c resume=true              continue what was interrupted
  pgx train experiment=a2c --cfg job                print the configuration and stop

Keys
  seeds         a list [0,1,2], a count (10 is 0 to 9) or a range '0-9'
  decisions     budget per replica; it stops at the first iteration boundary at or past it
  evaluation.every
                decisions between a seed's evaluations; without it, none
  arm           the arm's name; without it, the sorted overrides as a slug
  study.name    the study it belongs to; without it, adhoc
  output        where runs are written; without it, outputs
  tracker       where rows go: files, or wandb, which mirrors them (offline, one run per seed)
  device        cpu, cuda or cuda:N
  threads       of torch; without it, as many as cores, at most 2
  resume        true continues an interrupted run
  replace       true removes what the run's directory holds and starts over
  allocator     tuned (faster) or default

Groups
  environment, policy, estimator, baseline, optimizer, evaluation, study, experiment (a preset)

The arguments are Hydra's overrides: key=value changes, +key=value adds, ~key removes, group=option
selects. Your own configs are found in ./conf and with --config-dir DIR; `pgx init` writes some.
"""

SWEEP_HELP = """\
Usage: pgx sweep study=NAME [OVERRIDES] [OPTIONS]

Train every arm of a study in every one of its environments, a process per part. The same command
again skips what is finished, resumes what was interrupted, and trains what was added.

  pgx sweep study=my_study                          what conf/study/my_study.yaml asks for
  pgx sweep study=my_study --dry-run                the plan, and what it will cost
  pgx sweep study=my_study seeds=20                 more seeds; those that are there are kept
  pgx sweep study=my_study arm=a2c,td               these arms only; a pattern such as 'a2c*' too
  pgx sweep study=my_study tracker=wandb --jobs 4   four parts at a time

Options
  --dry-run       print parts, duplicates, what does not fit, time and disk; write nothing
  --smoke         one iteration of every arm and environment in a temporary folder
  --retry-failed  repeat what failed
  --replace       repeat what another config left under an arm's name
  --jobs N        parts at a time; without it, as many as there are cores for
  --launcher L    local, joblib or submitit_local
  --json          print JSON; progress goes to standard error
  --config-dir D  further configs; ./conf is found anyway

Keys
  seeds, decisions, output, tracker, device, threads and every other key of pgx train are the last
  word for every arm; arm and environment choose among what the study has. A study's file says:
  name, question, prediction, reference, metric, last, seeds, decisions, base, arms, generate,
  exclude, environments; `pgx init` writes one to start from.
"""

GRADIENTS_HELP = """\
Usage: pgx gradients [OVERRIDES] [OPTIONS]

Measure estimates of ∇J at one θ: bias, variance, signal-to-noise, for each estimator × baseline.
The truth is exact where the environment knows it, else a long run with an interval of its own.

  pgx gradients environment=corridor policy=categorical_linear estimator.discount=1
  pgx gradients environment=cartpole --estimators reinforce,reward_to_go --baselines none,value
  pgx gradients environment=corridor --estimators gae:trace_decay=0,gae --baselines exact_value
  pgx gradients --from outputs/adhoc/a2c --output gradients   files: tables, numbers, figures
  pgx gradients environment=corridor --along 5 decisions=50000   train, and measure on the way

Options
  --estimators A,B  of conf/estimator, with changes as in gae:trace_decay=0.5; without it,
                    reinforce, reward_to_go, td and gae
  --baselines A,B   of conf/baseline; also exact_value (V by linear algebra, tabular only) and
                    constant:value=X (without value, J); combinations that do not fit are left out
  --samples N       episodes at each θ (10,000), rounded up to 100 equal groups
  --reference N     episodes of the reference run where no truth is known (10 times as many)
  --fit N           iterations a baseline that learns is fitted for before, at θ (200)
  --from RUN        θ, environment and policy of a checkpoint; --seeds 0-4 chooses among its seeds
  --along K         train as pgx train would, and measure at K evenly spaced points of the budget
                    (0 and the end among them); nothing is recorded
  --output DIR      gradients.md, .tex, .html, .csv, .json, parameters.csv, batches.csv, and the
                    variance against batch size as SVG, PDF and PNG
  --exact           sample nothing: mean and variance over all trajectories where they are few,
                    else by linear equations for reinforce, reward_to_go, td, n_step and gae;
                    tabular environments only. No intervals, no figure
  --json            print JSON
  --config-dir D    further configs; ./conf is found anyway
  --allow-targets M trust classes of this module, in the config of --from

Every estimator is set to estimate ∇J: estimator.horizon=null, time_limit=end,
discount_weighting=true, no entropy bonus, nothing standardised, and the discount of the config.
estimator.KEY=VALUE among the overrides, or NAME:KEY=VALUE, says otherwise: what such an update
then misses of ∇J is shown as its bias. θ are the fresh parameters of every seed; seeds=3 measures
three, a block each.

Figures (JSON: value, low, high of a 95% interval; null is not defined), with r the reward's unit
  bias             r      ‖mean − ∇J‖ along the direction one half of the episodes shows, in the
                          other half; Student t. Holm-adjusted over the command's tests at 5%
  variance         r²     trace of the covariance of one trajectory's estimate
  signal_to_noise  1      ‖∇J‖² / variance
  cosine           1      of the mean to ∇J, without what noise adds to the mean's length
  per_decision     r²     variance × decisions of a trajectory
  per_second       r² s   variance × seconds of a trajectory, collecting and estimating
  parameters              mean, bias (Student t) and variance of each parameter
"""
