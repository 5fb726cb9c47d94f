"""Pictures that tools/make_pictures.py draws: methods, results of the verbs, symptoms."""
