//! Stages, tasks, keys and their execution; knows nothing of emotions.
